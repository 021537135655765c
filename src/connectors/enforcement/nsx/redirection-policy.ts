// The redirection policy that a reroute is in NSX: packets at the VM's own cards are led through a service chain, which the owner has
// set up and the configuration names. What the chain lets pass goes on as before.
// Source: NSX-T Data Center REST API, types RedirectionPolicy (a policy between VMs must not have a scope), RedirectionRule.
import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../../kit/canonical-json.ts';
import { asList, asText, type JsonObject } from '../../../kit/json-object.ts';
import type { CheckedOrder } from '../checked-order.ts';
import { digestOfRules } from './firewall-rules.ts';
import { revisionOf, type VmObjects } from './object-names.ts';
import { noteTags, type PolicyNote, withRevisions } from './policy-note.ts';

const any: readonly string[] = ['ANY'];

/** `chain`: path of the service chain; `before`: the policy of that name as it stands, null = none. */
export function redirectionFor(
  order: CheckedOrder,
  { groupPath }: VmObjects,
  chain: string,
  before: JsonObject | null,
): JsonObject {
  const rules = redirectionRules(groupPath);
  return {
    ...revisionOf(before ?? {}),
    resource_type: 'RedirectionPolicy',
    display_name: `plumbline reroute ${order.id}`,
    description: 'Made by Plumbline, and released by it.',
    sequence_number: 0,
    stateful: true,
    redirect_to: [chain],
    tags: noteTags(order, digestOf(rules, [chain]), null),
    rules: withRevisions(rules, before),
  };
}

/**
 * Without a scope a rule is at every card: naming the group where packets begin or end, and the direction there, leaves the VM's own,
 * so that a packet is led through the chain once and not again at the other side's card.
 */
function redirectionRules(groupPath: string): readonly JsonObject[] {
  const ways = [
    { id: 'reroute-out', direction: 'OUT', sources: [groupPath], destinations: any },
    { id: 'reroute-in', direction: 'IN', sources: any, destinations: [groupPath] },
  ];
  return ways.map(({ id, direction, sources, destinations }, index) => ({
    resource_type: 'RedirectionRule',
    id,
    display_name: `plumbline ${id}`,
    sequence_number: (index + 1) * 10,
    action: 'REDIRECT',
    direction,
    ip_protocol: 'IPV4_IPV6',
    source_groups: sources,
    sources_excluded: false,
    destination_groups: destinations,
    destinations_excluded: false,
    services: any,
    disabled: false,
    logged: true,
    tag: 'plumbline',
  }));
}

/** What of the policy, as NSX has it, is not as it was ordered; null = nothing. */
export function redirectionFault(policy: JsonObject, note: PolicyNote): string | null {
  const scope = asList(policy['scope'], 2);
  if (scope.some((place) => place !== 'ANY')) return 'its policy is applied to something else';
  if ((policy['sequence_number'] ?? 0) !== 0) return 'its policy was moved behind others';
  if (policy['stateful'] === false) return 'its policy looks at connections otherwise';
  const done = digestOf(asList(policy['rules'], 1000), chainsOf(policy));
  return done === note.rules ? null : 'its rules, or where they lead, are not those that were ordered';
}

/** Where a redirection policy leads. */
export function chainsOf(policy: JsonObject): readonly string[] {
  return asList(policy['redirect_to'], 16).map((path) => asText(path)?.toWellFormed() ?? '');
}

function digestOf(rules: readonly Json[], chains: readonly string[]): string {
  return createHash('sha256')
    .update(canonicalJson([digestOfRules(rules), ...chains]))
    .digest('hex')
    .slice(0, 16);
}
