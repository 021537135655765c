// Quarantine, blocked flows and reroute of a VM in NSX: a tag of ours on the VM, a group of what carries it, and for each order a policy
// about that group, of the distributed firewall or of redirection. The policies are the memory. Nothing counts before NSX itself shows
// the VM among the group's members and the policy realised. What is ordered for one card holds for all cards of its VM.
import type { JsonObject } from '../../../kit/json-object.ts';
import { type Problem, problem } from '../../../kit/problem.ts';
import { ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import type { CheckedOrder, CheckedPort } from '../checked-order.ts';
import type { FoundMeasure, SwitchControl } from '../verified-measure.ts';
import { cardObstacle } from './filtered-cards.ts';
import { groupAt, policyAt, policyIdOf, type PolicyShelf, shelfOf, type VmObjects } from './object-names.ts';
import { placeAmong, policyFault, policyFor } from './order-policy.ts';
import { noteOf } from './policy-note.ts';
import {
  comeFirst,
  listPolicies,
  type NsxPatience,
  ownNotes,
  type Policies,
  remove,
  replace,
} from './policy-writes.ts';
import { isOwnGroup, ownGroup, readGroundOf, readMeasure } from './realised.ts';
import { chainsOf, redirectionFault, redirectionFor } from './redirection-policy.ts';
import { chainFor, chainObstacle, type InspectionPoints, noReroute } from './service-chain.ts';
import { writeTag } from './vm-tag.ts';

/** One VM of an NSX manager, and what its orders are carried out with. */
export interface NsxSite {
  readonly client: NsxClient;
  readonly objects: VmObjects;
  readonly points: InspectionPoints;
  readonly patience: NsxPatience;
}

export function nsxFirewall(site: NsxSite): SwitchControl {
  const { client, objects, points, patience } = site;
  const list = async (): Promise<Result<Policies>> => await listPolicies(client, points.size > 0);
  return {
    backend: 'nsx',
    unable: points.size === 0 ? { reroute: noReroute } : {},
    pace: patience.pace,
    obstacle: async (port) => await cardObstacle(client, objects.externalId, port),
    async rerouteObstacle(port, through) {
      const all = await list();
      if (!all.ok) return all.error;
      const inTheWay = otherWay(all.value, site, port, through) ?? rivalObstacle(all.value);
      return inTheWay ?? (await chainObstacle(client, objects.externalId, points, through));
    },
    async read(port) {
      const all = await list();
      if (!all.ok) return all;
      const notes = ownNotes(all.value, objects).filter(({ card }) => card === port.interface);
      if (notes.length === 0) return ok([]);
      const ground = await readGroundOf(client, objects);
      if (!ground.ok) return ground;
      const found: FoundMeasure[] = [];
      for (const note of notes) {
        const among = all.value[shelfOf(note.kind)];
        const measure = await readMeasure(client, objects.externalId, note, ground.value, among);
        if (!measure.ok) return measure;
        found.push(measure.value);
      }
      return ok(found);
    },
    put: async (order) => await put(site, order),
    take: async (port, id) => await takeBack(site, policyIdOf(objects, port.interface, id)),
  };
}

/** A VM goes one way, whichever of its cards it was ordered for: of two, NSX would choose. */
function otherWay(all: Policies, { objects, points }: NsxSite, port: CheckedPort, through: string): Problem | null {
  const ofOthers = ownNotes(all, objects).filter(({ card }) => card !== port.interface);
  const leading = ofOthers.filter(({ kind, isGoing }) => kind === 'reroute' && !isGoing);
  const policies = all['redirection-policies'];
  const other = leading.find(({ policyId }) => {
    const policy = policies.find((each) => each['id'] === policyId);
    return policy !== undefined && chainsOf(policy)[0] !== points.get(through);
  });
  if (other === undefined) return null;
  return problem('refused', `Another way is in force for another card of the VM: ${other.id}.`, 'Release that first.');
}

/** NSX moves no redirection policy before another: whose number is the lowest there is already may be asked first. */
function rivalObstacle(all: Policies): Problem | null {
  const { beside } = placeAmong({ sequence_number: 0 }, all['redirection-policies'], 'redirection-policies');
  if (beside.length === 0) return null;
  const names = beside.slice(0, 3).join(', ');
  return problem(
    'refused',
    `NSX may ask other redirection policies first: ${names}.`,
    'Give them a sequence number of 1 or more.',
  );
}

/** The group before the policy that names it, and the tag last: it takes effect as a whole, or nothing new of it is left. */
async function put(site: NsxSite, order: CheckedOrder): Promise<Result<void>> {
  const { client, objects, patience, points } = site;
  const group = await replace(client, groupAt(objects), patience, (before) =>
    before !== null && isOwnGroup(before, objects) ? null : ownGroup(objects, before),
  );
  if (!group.ok) return group;
  const policyId = policyIdOf(objects, order.port.interface, order.id);
  const shelf = shelfOf(order.measure.kind);
  const chain = order.measure.kind === 'reroute' ? chainFor(points, order.measure.through) : ok('');
  if (!chain.ok) return chain;
  let wasThere = false;
  const written = await replace(client, policyAt(shelf, policyId), patience, (before) => {
    wasThere = before !== null;
    if (isPolicyOf(order, before)) return null;
    return order.measure.kind === 'reroute'
      ? redirectionFor(order, objects, chain.value, before)
      : policyFor(order, objects, before, patience.clock.now());
  });
  const first = written.ok ? await comeBefore(site, shelf, policyId) : written;
  const tagged = first.ok ? await writeTag(client, objects, 'add') : first;
  // What did not answer may be done yet; what was refused is not.
  if (tagged.ok || tagged.error.kind === 'interrupted' || wasThere) return tagged.ok ? ok(undefined) : tagged;
  await takeBack(site, policyId);
  return tagged;
}

async function comeBefore({ client, points }: NsxSite, shelf: PolicyShelf, policyId: string): Promise<Result<void>> {
  if (shelf === 'redirection-policies') return ok(undefined);
  const all = await listPolicies(client, points.size > 0);
  return all.ok ? await comeFirst(client, policyId, all.value[shelf]) : all;
}

/** Whether the policy is that order's already, as it was made. */
export function isPolicyOf({ id, port, digest, measure }: CheckedOrder, policy: JsonObject | null): boolean {
  const note = policy === null ? null : noteOf(policy, shelfOf(measure.kind));
  if (policy === null || note === null || note.isGoing) return false;
  const fault = measure.kind === 'reroute' ? redirectionFault(policy, note) : policyFault(policy, note);
  return note.id === id && note.vm === port.vm && note.digest === digest && fault === null;
}

async function takeBack(site: NsxSite, policyId: string): Promise<Result<void>> {
  const { client, points } = site;
  const all = await listPolicies(client, points.size > 0);
  if (!all.ok) return all;
  for (const shelf of ['security-policies', 'redirection-policies'] as const) {
    if (!all.value[shelf].some((policy) => policy['id'] === policyId)) continue;
    const deleted = await remove(client, policyAt(shelf, policyId));
    if (!deleted.ok) return deleted;
  }
  return await tidy(site);
}

/** Takes away what no order of ours needs any more: the tag and the group. */
async function tidy({ client, objects, points, patience }: NsxSite): Promise<Result<void>> {
  const { pace, clock, sleep } = patience;
  const all = await listPolicies(client, points.size > 0);
  if (!all.ok) return all;
  if (ownNotes(all.value, objects).some(({ isGoing }) => !isGoing)) return ok(undefined);
  const untagged = await writeTag(client, objects, 'remove');
  if (!untagged.ok) return untagged;
  const deadline = clock.monotonic() + pace.deadlineMs;
  for (;;) {
    const deleted = await remove(client, groupAt(objects));
    // Until the policy is gone from every host its group is in use. An empty group that had to stay drops nothing.
    const isInUse = !deleted.ok && (deleted.error.status === 400 || deleted.error.status === 409);
    if (!isInUse) return deleted.ok ? ok(undefined) : deleted;
    if (clock.monotonic() >= deadline) return ok(undefined);
    await sleep(pace.readEveryMs);
  }
}
