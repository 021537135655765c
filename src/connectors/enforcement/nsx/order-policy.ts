// The security policy that a quarantine or a block is in NSX: its rules, their category, and what of it is not as it was ordered.
import { isoTime } from '../../../kit/clock.ts';
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asText, type JsonObject } from '../../../kit/json-object.ts';
import type { CheckedOrder } from '../checked-order.ts';
import { digestOfRules, rulesFor } from './firewall-rules.ts';
import { type PolicyShelf, revisionOf, type VmObjects } from './object-names.ts';
import { noteOf, noteTags, type PolicyNote, withRevisions } from './policy-note.ts';

/** Before every other category of the firewall's layer 3 rules. */
const category = 'Emergency';

/** `before`: the policy of that name as it stands, null = none. `nowMs` since the epoch. */
export function policyFor(
  order: CheckedOrder,
  objects: VmObjects,
  before: JsonObject | null,
  nowMs: number,
): JsonObject {
  const { id, measure } = order;
  const rules = rulesFor(measure, objects.groupPath);
  const until = measure.kind === 'block-flow' ? isoTime(nowMs + measure.seconds * 1000) : null;
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
    tags: noteTags(order, digestOfRules(rules), until),
    rules: withRevisions(rules, before),
  };
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

export interface PolicyOrder {
  /** Names of other people's policies that NSX asks before ours. */
  readonly before: readonly string[];
  /** Names of those with the same number as ours: which of the two is asked first is NSX's. */
  readonly beside: readonly string[];
}

/** `policy`: ours, as NSX has it; `all`: every policy of its shelf. */
export function placeAmong(policy: JsonObject, all: readonly JsonObject[], shelf: PolicyShelf): PolicyOrder {
  const own = sequenceOf(policy);
  const others = all.filter((other) => isRival(other, shelf) && noteOf(other, shelf) === null);
  const named = (isThere: (sequence: number) => boolean): readonly string[] =>
    others.filter((other) => isThere(sequenceOf(other))).map(nameOf);
  return { before: named((sequence) => sequence < own), beside: named((sequence) => sequence === own) };
}

/** Of the firewall, other categories are asked behind ours; of redirection, what is not led through a chain is led at a gateway. */
function isRival(other: JsonObject, shelf: PolicyShelf): boolean {
  if (shelf === 'security-policies') return other['category'] === category;
  return asList(other['redirect_to'], 16).some((path) => asText(path)?.startsWith('/infra/service-chains/') === true);
}

function nameOf(policy: JsonObject): string {
  return (asText(policy['display_name']) ?? asText(policy['id']) ?? '').slice(0, 80);
}

function sequenceOf(policy: JsonObject): number {
  const number = policy['sequence_number'];
  return typeof number === 'number' ? number : 0;
}

function isText(value: Json | undefined): boolean {
  return typeof value === 'string' && value !== '';
}
