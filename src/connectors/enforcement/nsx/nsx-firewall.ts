// Quarantine and blocked flows of a VM in NSX's distributed firewall: a tag of ours on the VM, a group of what carries it, and for each
// order a security policy that is applied to that group. The policies are the memory. Nothing counts before NSX itself shows the VM
// among the group's members and the policy realised. What is ordered for one card holds for all cards of its VM.
import { asText, type JsonObject } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import type { NsxResult } from '../../../protocols/nsx/nsx-answer.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { type NsxPath, withQuery } from '../../../protocols/nsx/nsx-path.ts';
import type { CheckedOrder } from '../checked-order.ts';
import type { Patience } from '../verified-action.ts';
import type { FoundMeasure, Pace, SwitchControl } from '../verified-measure.ts';
import { cardObstacle } from './filtered-cards.ts';
import { groupAt, policiesPath, policyAt, policyIdOf, type VmObjects } from './object-names.ts';
import { isPolicyOf, noteOf, placeAmong, policyFor } from './order-policy.ts';
import { isOwnGroup, ownGroup, readGroundOf, readMeasure } from './realised.ts';
import { writeTag } from './vm-tag.ts';

const policiesPagesMax = 20;
/** A stale revision is read anew so often. */
const writesMax = 4;
/** Of what is being taken away still. */
const refusalsMax = 10;
const precondition = 412;

export interface NsxPatience extends Patience {
  readonly pace: Pace;
}

export function nsxFirewall(client: NsxClient, objects: VmObjects, patience: NsxPatience): SwitchControl {
  return {
    backend: 'nsx',
    unable: { capture: noCapture, reroute: noReroute },
    pace: patience.pace,
    obstacle: async (port) => await cardObstacle(client, objects.externalId, port),
    rerouteObstacle: async () => noReroute,
    async read(port) {
      const all = await listPolicies(client);
      if (!all.ok) return all;
      const notes = ownNotes(all.value, objects).filter(({ card }) => card === port.interface);
      if (notes.length === 0) return ok([]);
      const ground = await readGroundOf(client, objects);
      if (!ground.ok) return ground;
      const found: FoundMeasure[] = [];
      for (const note of notes) {
        const measure = await readMeasure(client, note, ground.value, all.value);
        if (!measure.ok) return measure;
        found.push(measure.value);
      }
      return ok(found);
    },
    put: async (order) => await put(client, objects, order, patience),
    take: async (port, id) => await takeBack(client, objects, policyIdOf(objects, port.interface, id), patience),
  };
}

const noCapture = problem(
  'refused',
  'NSX keeps the packets that it captures on its own nodes, and its API does not hand them out.',
  'Capture with the tools of the host, or mirror the port to a collector.',
);
const noReroute = problem(
  'refused',
  'NSX leads packets through partner services only, which have to be registered and deployed with it.',
  'Set up service insertion in NSX itself, or quarantine the VM instead.',
);

/** Those too that are being taken away. */
async function listPolicies(client: NsxClient): Promise<Result<readonly JsonObject[]>> {
  const path = withQuery(policiesPath, { include_mark_for_delete_objects: 'true' });
  const listed = await listNsx(client, path, policiesPagesMax);
  if (!listed.ok) return listed;
  if (!listed.value.isCut) return ok(listed.value.items);
  // Of policies that were not read, one may be ours.
  return fail(problem('unreadable', `${client.place} has more security policies than can be read.`));
}

function ownNotes(all: readonly JsonObject[], { policyPrefix }: VmObjects) {
  return all
    .filter((policy) => asText(policy['id'])?.startsWith(policyPrefix) === true)
    .flatMap((policy) => noteOf(policy) ?? []);
}

/** The group before the policy that names it, and the tag last: it takes effect as a whole, or nothing new of it is left. */
async function put(
  client: NsxClient,
  objects: VmObjects,
  order: CheckedOrder,
  patience: NsxPatience,
): Promise<Result<void>> {
  const group = await replace(client, groupAt(objects), patience, (before) =>
    before !== null && isOwnGroup(before, objects) ? null : ownGroup(objects, before),
  );
  if (!group.ok) return group;
  const policyId = policyIdOf(objects, order.port.interface, order.id);
  let wasThere = false;
  const written = await replace(client, policyAt(policyId), patience, (before) => {
    wasThere = before !== null;
    return isPolicyOf(order, before) ? null : policyFor(order, objects, before, patience.clock.now());
  });
  const first = written.ok ? await comeFirst(client, policyId) : written;
  const tagged = first.ok ? await writeTag(client, objects, 'add') : first;
  // What did not answer may be done yet; what was refused is not.
  if (tagged.ok || tagged.error.kind === 'interrupted' || wasThere) return tagged.ok ? ok(undefined) : tagged;
  await takeBack(client, objects, policyId, patience);
  return tagged;
}

async function takeBack(
  client: NsxClient,
  objects: VmObjects,
  policyId: string,
  patience: NsxPatience,
): Promise<Result<void>> {
  const deleted = await remove(client, policyAt(policyId));
  return deleted.ok ? await tidy(client, objects, patience) : deleted;
}

/** Before other people's policies of the same category: one of them that allows would be asked first. */
async function comeFirst(client: NsxClient, policyId: string): Promise<Result<void>> {
  const all = await listPolicies(client);
  if (!all.ok) return all;
  for (let writes = 0; ; writes += 1) {
    const policy = await client.ask('GET', policyAt(policyId));
    if (!policy.ok) return policy;
    const { before, beside } = placeAmong(policy.value, all.value);
    if (before.length + beside.length === 0) return ok(undefined);
    const path = policyAt(policyId, { action: 'revise', operation: 'insert_top' });
    const revised = await client.ask('POST', path, policy.value);
    if (revised.ok) return ok(undefined);
    if (revised.error.status !== precondition || writes + 1 >= writesMax) return revised;
  }
}

/** Takes away what no order of ours needs any more: the tag and the group. */
async function tidy(client: NsxClient, objects: VmObjects, { pace, clock, sleep }: NsxPatience): Promise<Result<void>> {
  const all = await listPolicies(client);
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

async function remove(client: NsxClient, path: NsxPath): Promise<NsxResult<unknown>> {
  const deleted = await client.ask('DELETE', path);
  return !deleted.ok && deleted.error.status === 404 ? ok({}) : deleted;
}

/** Reads, and puts in its place what `next` makes of it (null = leave it), until nobody wrote in between. */
async function replace(
  client: NsxClient,
  path: NsxPath,
  { pace, sleep }: NsxPatience,
  next: (before: JsonObject | null) => JsonObject | null,
): Promise<NsxResult<unknown>> {
  let [writes, refusals] = [0, 0];
  for (;;) {
    const read = await client.ask('GET', path);
    if (!read.ok && read.error.status !== 404) return read;
    const before = read.ok ? read.value : null;
    const after = next(before);
    if (after === null) return ok({});
    const written = await client.ask('PUT', path, after);
    if (written.ok) return written;
    const { status } = written.error;
    writes += status === precondition ? 1 : 0;
    // What is being taken away is not shown any more, and cannot be made again before it is gone from every host.
    refusals += status === 400 && before === null ? 1 : 0;
    const isPassing = status === precondition ? writes < writesMax : status === 400 && before === null;
    if (!isPassing || refusals > refusalsMax) return written;
    if (status === 400) await sleep(pace.readEveryMs);
  }
}
