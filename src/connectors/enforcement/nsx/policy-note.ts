// What a policy of ours says of itself, in its tags: which order it is, for which VM and card, and a digest of what it does. That is how
// a manager that has forgotten everything finds it again, and how a rule that somebody changed is noticed.
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import type { NetworkMeasureKind } from '../../../model/network-measure.ts';
import type { CheckedOrder } from '../checked-order.ts';
import { ownScope, type PolicyShelf, revisionOf, shelfOf } from './object-names.ts';

export interface PolicyNote {
  readonly policyId: string;
  readonly id: string;
  readonly kind: NetworkMeasureKind;
  readonly vm: string;
  readonly card: string;
  readonly digest: string;
  /** Of the rules as they were ordered, and of where they lead. */
  readonly rules: string;
  /** When it was to end, which NSX knows nothing of; null = when it is released. */
  readonly until: string | null;
  /** NSX is taking it away, and has not everywhere yet. */
  readonly isGoing: boolean;
}

const kinds: readonly string[] = ['quarantine', 'block-flow', 'reroute'] satisfies readonly NetworkMeasureKind[];

/** The `tags` of a policy that is this order. `rules`: digest of what it does. */
export function noteTags(
  { id, port, measure, digest }: CheckedOrder,
  rules: string,
  until: string | null,
): readonly JsonObject[] {
  const notes: Readonly<Record<string, string>> = {
    id,
    kind: measure.kind,
    vm: port.vm,
    card: port.interface,
    digest,
    rules,
    ...(until === null ? {} : { until }),
  };
  return Object.entries(notes).map(([name, tag]) => ({ scope: `${ownScope}.${name}`, tag }));
}

/** Null for a policy that does not say of itself what it is: it is none of ours, or was changed past recognition. */
export function noteOf(policy: JsonObject, shelf: PolicyShelf): PolicyNote | null {
  const notes = new Map<string, string>();
  for (const tag of asList(policy['tags'], 64)) {
    const [scope, value] = [asText(asObject(tag)?.['scope']), asText(asObject(tag)?.['tag'])];
    if (scope?.startsWith(`${ownScope}.`) === true && value !== null)
      notes.set(scope.slice(ownScope.length + 1), value);
  }
  const policyId = asText(policy['id']);
  const [id, kind, vm] = [notes.get('id'), notes.get('kind'), notes.get('vm')];
  const [card, digest, rules] = [notes.get('card'), notes.get('digest'), notes.get('rules')];
  if (policyId === null || id === undefined || vm === undefined || card === undefined) return null;
  if (digest === undefined || rules === undefined || !isKind(kind) || shelfOf(kind) !== shelf) return null;
  const until = notes.get('until') ?? null;
  return { policyId, id, kind, vm, card, digest, rules, until, isGoing: policy['marked_for_delete'] === true };
}

/** The rules, each with the revision of the one that it replaces. */
export function withRevisions(rules: readonly JsonObject[], before: JsonObject | null): readonly JsonObject[] {
  const standing = asList(before?.['rules'], 1000).map((rule) => asObject(rule));
  return rules.map((rule) => ({
    ...revisionOf(standing.find((other) => other?.['id'] === rule['id']) ?? {}),
    ...rule,
  }));
}

function isKind(kind: string | undefined): kind is NetworkMeasureKind {
  return kind !== undefined && kinds.includes(kind);
}
