// Where a reroute may lead: the service chains that the configuration names, as NSX has them, and whether a VM is led anywhere at all.
// Source: NSX-T Data Center REST API, types PolicyServiceChain, PolicySIExcludeList; features policy_si, policy_ni.
import { asList, asText, type JsonObject } from '../../../kit/json-object.ts';
import { type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { policyPath } from '../../../protocols/nsx/nsx-path.ts';
import { chainsOf } from './redirection-policy.ts';

/** Paths of service chains by the name of the inspection point that a service's response policy gives. */
export type InspectionPoints = ReadonlyMap<string, string>;

const root = '/infra/service-chains/';
const groupsPagesMax = 2;

export const noReroute = problem(
  'refused',
  'NSX leads packets through a service chain only, and none is configured as an inspection point.',
  'Set up service insertion in NSX, and name its chain under `inspection` of the platform; or quarantine the VM instead.',
);

/** The path for that inspection point. */
export function chainFor(points: InspectionPoints, through: string): Result<string> {
  const path = points.get(through);
  if (path !== undefined) return ok(path);
  const known = [...points.keys()].join(', ').slice(0, 200);
  return fail(
    problem(
      'refused',
      `No service chain of NSX is configured as the inspection point ${through}; there is ${known || 'none'}.`,
      'Name one under `inspection` of the platform in the configuration.',
    ),
  );
}

/** What stands in the way of leading a VM there; null = nothing. */
export async function chainObstacle(
  client: NsxClient,
  externalId: string,
  points: InspectionPoints,
  through: string,
): Promise<Problem | null> {
  const path = chainFor(points, through);
  if (!path.ok) return path.error;
  const [chain, unredirected] = await Promise.all([
    readChain(client, path.value),
    unredirectedReason(client, externalId),
  ]);
  if (!chain.ok) return chain.error;
  if (!unredirected.ok) return unredirected.error;
  if (chain.value === null)
    return problem('refused', `NSX has no service chain ${path.value}.`, 'Compare the path in the configuration.');
  if (unredirected.value === null) return null;
  return problem('refused', `Nothing is led anywhere: ${unredirected.value}.`, 'Take it off that list in NSX.');
}

/** As NSX has it; null = it has none of that path. */
async function readChain(client: NsxClient, path: string): Promise<Result<JsonObject | null>> {
  const chain = await client.ask('GET', policyPath(['infra', 'service-chains', path.slice(root.length)]));
  return !chain.ok && chain.error.status === 404 ? ok(null) : chain;
}

/** What becomes of packets when none of the chain's services runs. */
function sayFailure(chain: JsonObject): string {
  return asText(chain['failure_policy']) === 'BLOCK'
    ? 'NSX drops its packets while the service is down'
    : 'NSX lets its packets pass by while the service is down';
}

/** Why no packet of this VM is led anywhere; null = they are. */
async function unredirectedReason(client: NsxClient, externalId: string): Promise<Result<string | null>> {
  const settings = ['infra', 'settings', 'service-insertion', 'security', 'exclude-list'] as const;
  const associations = policyPath(['infra', 'virtual-machine-group-associations'], { vm_external_id: externalId });
  const [excluded, groups] = await Promise.all([
    client.ask('GET', policyPath(settings)),
    listNsx(client, associations, groupsPagesMax),
  ]);
  if (!excluded.ok) return excluded;
  if (!groups.ok) return groups;
  const members = new Set(asList(excluded.value['members'], 1000).flatMap((member) => asText(member) ?? []));
  const paths = groups.value.items.map((group) => asText(group['path']) ?? asText(group['target_id']) ?? '');
  const found = paths.find((path) => members.has(path));
  if (found === undefined) return ok(null);
  return ok(`the VM is on service insertion's exclusion list, by the group ${found.slice(0, 200)}`);
}

/** What of where a redirection policy leads does not hold, and what is to be said of it. */
export async function readLead(
  client: NsxClient,
  externalId: string,
  policy: JsonObject,
): Promise<Result<{ readonly fault: string | null; readonly words: string }>> {
  const [chain = '', more] = chainsOf(policy);
  if (more !== undefined || !chain.startsWith(root)) return ok({ fault: 'its policy leads elsewhere', words: '' });
  const [read, unredirected] = await Promise.all([readChain(client, chain), unredirectedReason(client, externalId)]);
  if (!read.ok) return read;
  if (!unredirected.ok) return unredirected;
  if (read.value === null) return ok({ fault: `NSX has no service chain ${chain.slice(0, 200)} any more`, words: '' });
  return ok({ fault: unredirected.value, words: `through ${chain.slice(0, 200)}; ${sayFailure(read.value)}` });
}
