// The security policy that one order is in NSX. It carries in its tags what it was ordered for, so that a manager that has forgotten
// everything finds it again, and a digest of its rules, so that a rule that somebody changed is noticed.
import { isoTime } from '../../../kit/clock.ts';
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import type { NetworkMeasureKind } from '../../../model/network-measure.ts';
import type { CheckedOrder } from '../checked-order.ts';
import { digestOfRules, rulesFor } from './firewall-rules.ts';
import { ownScope, revisionOf, type VmObjects } from './object-names.ts';

/** What a policy of ours says that it is. */
export interface PolicyNote {
  readonly policyId: string;
  readonly id: string;
  readonly kind: NetworkMeasureKind;
  readonly vm: string;
  readonly card: string;
  readonly digest: string;
  /** Of the rules as they were ordered. */
  readonly rules: string;
  /** When it was to end, which NSX knows nothing of; null = when it is released. */
  readonly until: string | null;
  /** NSX is taking it away, and has not everywhere yet. */
  readonly isGoing: boolean;
}

/** Before every other category of the firewall's layer 3 rules. */
const category = 'Emergency';
const kinds: readonly string[] = ['quarantine', 'block-flow'] satisfies readonly NetworkMeasureKind[];

/** `before`: the policy of that name as it stands, null = none. `nowMs` since the epoch. */
export function policyFor(
  order: CheckedOrder,
  objects: VmObjects,
  before: JsonObject | null,
  nowMs: number,
): JsonObject {
  const { id, port, measure, digest } = order;
  const rules = rulesFor(measure, objects.groupPath);
  const until = measure.kind === 'block-flow' ? isoTime(nowMs + measure.seconds * 1000) : null;
  const notes: Readonly<Record<string, string>> = {
    id,
    kind: measure.kind,
    vm: port.vm,
    card: port.interface,
    digest,
    rules: digestOfRules(rules),
    ...(until === null ? {} : { until }),
  };
  return {
    ...revisionOf(before ?? {}),
    resource_type: 'SecurityPolicy',
    display_name: `plumbline ${measure.kind} ${id}`,
    description: `Made by Plumbline, and released by it${until === null ? '' : `; due to end at ${until}`}.`,
    category,
    sequence_number: before === null ? 0 : sequenceOf(before),
    stateful: true,
    // A strict policy would leave packets to the rules behind it whose connection it has not seen begin.
    tcp_strict: false,
    tags: Object.entries(notes).map(([name, tag]) => ({ scope: `${ownScope}.${name}`, tag })),
    rules: rules.map((rule) => ({ ...revisionOf(sameRule(rule, before) ?? {}), ...rule })),
  };
}

function sameRule(rule: JsonObject, before: JsonObject | null): JsonObject | null {
  const found = asList(before?.['rules'], 1000).find((other) => asObject(other)?.['id'] === rule['id']);
  return asObject(found);
}

/** Null for a policy that does not say of itself what it is: it is none of ours, or was changed past recognition. */
export function noteOf(policy: JsonObject): PolicyNote | null {
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
  if (digest === undefined || rules === undefined || !isKind(kind)) return null;
  const until = notes.get('until') ?? null;
  return { policyId, id, kind, vm, card, digest, rules, until, isGoing: policy['marked_for_delete'] === true };
}

/** What of the policy, as NSX has it, is not as it was ordered; null = nothing. */
export function policyFault(policy: JsonObject, note: PolicyNote): string | null {
  if (policy['category'] !== category) return 'its policy is not in the category Emergency';
  if (isText(policy['scheduler_path'])) return 'its policy is in force at some hours only';
  const scope = asList(policy['scope'], 2);
  if (scope.length > 1 || (scope.length === 1 && scope[0] !== 'ANY')) return 'its policy is applied to something else';
  if (policy['tcp_strict'] === true || policy['stateful'] === false) return 'its policy looks at connections otherwise';
  const rules = digestOfRules(asList(policy['rules'], 1000));
  return rules === note.rules ? null : 'its rules are not those that were ordered';
}

/** Whether the policy is that order's already, as it was made. */
export function isPolicyOf({ id, port, digest }: CheckedOrder, policy: JsonObject | null): boolean {
  const note = policy === null ? null : noteOf(policy);
  if (policy === null || note === null || note.isGoing) return false;
  return note.id === id && note.vm === port.vm && note.digest === digest && policyFault(policy, note) === null;
}

export interface PolicyOrder {
  /** Names of other people's policies that NSX asks before ours. */
  readonly before: readonly string[];
  /** Names of those with the same number as ours: which of the two is asked first is NSX's. */
  readonly beside: readonly string[];
}

/** `policy`: ours, as NSX has it; `all`: every policy of the domain. */
export function placeAmong(policy: JsonObject, all: readonly JsonObject[]): PolicyOrder {
  const own = sequenceOf(policy);
  const others = all.filter((other) => other['category'] === category && noteOf(other) === null);
  const named = (isThere: (sequence: number) => boolean): readonly string[] =>
    others.filter((other) => isThere(sequenceOf(other))).map(nameOf);
  return { before: named((sequence) => sequence < own), beside: named((sequence) => sequence === own) };
}

function nameOf(policy: JsonObject): string {
  return (asText(policy['display_name']) ?? asText(policy['id']) ?? '').slice(0, 80);
}

function sequenceOf(policy: JsonObject): number {
  const number = policy['sequence_number'];
  return typeof number === 'number' ? number : 0;
}

function isKind(kind: string | undefined): kind is NetworkMeasureKind {
  return kind !== undefined && kinds.includes(kind);
}

function isText(value: Json | undefined): boolean {
  return typeof value === 'string' && value !== '';
}
