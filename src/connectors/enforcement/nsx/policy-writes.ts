// How policies and groups of ours are written into NSX, beside others who write there: with the revision that was read, again when
// somebody was quicker, and not before what had the same name is gone from every host.
import { asText, type JsonObject } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxResult } from '../../../protocols/nsx/nsx-answer.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { type NsxPath, withQuery } from '../../../protocols/nsx/nsx-path.ts';
import type { Patience } from '../verified-action.ts';
import type { Pace } from '../verified-measure.ts';
import { policiesAt, policyAt, type PolicyShelf, type VmObjects } from './object-names.ts';
import { placeAmong } from './order-policy.ts';
import { noteOf, type PolicyNote } from './policy-note.ts';

const policiesPagesMax = 20;
/** A stale revision is read anew so often. */
const writesMax = 4;
/** Of what is being taken away still. */
const refusalsMax = 10;
const precondition = 412;

export interface NsxPatience extends Patience {
  readonly pace: Pace;
}

export type Policies = Readonly<Record<PolicyShelf, readonly JsonObject[]>>;

/** Those too that are being taken away. `mayRedirect`: whether the account is to be let at redirection policies. */
export async function listPolicies(client: NsxClient, mayRedirect: boolean): Promise<Result<Policies>> {
  const [dropping, leading] = await Promise.all([
    listShelf(client, 'security-policies'),
    listShelf(client, 'redirection-policies'),
  ]);
  if (!dropping.ok) return dropping;
  // Without service insertion an account need not be let at them, and older managers have none.
  const isForeign = !leading.ok && !mayRedirect && (leading.error.status === 403 || leading.error.status === 404);
  if (!leading.ok && !isForeign) return leading;
  return ok({ 'security-policies': dropping.value, 'redirection-policies': leading.ok ? leading.value : [] });
}

async function listShelf(client: NsxClient, shelf: PolicyShelf): Promise<NsxResult<readonly JsonObject[]>> {
  const path = withQuery(policiesAt(shelf), { include_mark_for_delete_objects: 'true' });
  const listed = await listNsx(client, path, policiesPagesMax);
  if (!listed.ok) return listed;
  if (!listed.value.isCut) return ok(listed.value.items);
  // Of policies that were not read, one may be ours.
  const why = problem('unreadable', `${client.place} has more ${shelf.replace('-', ' ')} than can be read.`);
  return fail({ ...why, status: null, code: null });
}

export function ownNotes(all: Policies, { policyPrefix }: VmObjects): readonly PolicyNote[] {
  const shelves = Object.entries(all) as [PolicyShelf, readonly JsonObject[]][];
  return shelves.flatMap(([shelf, policies]) =>
    policies
      .filter((policy) => asText(policy['id'])?.startsWith(policyPrefix) === true)
      .flatMap((policy) => noteOf(policy, shelf) ?? []),
  );
}

/** Before other people's policies of the same category: one of them that allows would be asked first. */
export async function comeFirst(
  client: NsxClient,
  policyId: string,
  all: readonly JsonObject[],
): Promise<Result<void>> {
  const shelf = 'security-policies';
  for (let writes = 0; ; writes += 1) {
    const policy = await client.ask('GET', policyAt(shelf, policyId));
    if (!policy.ok) return policy;
    const { before, beside } = placeAmong(policy.value, all, shelf);
    if (before.length + beside.length === 0) return ok(undefined);
    const path = policyAt(shelf, policyId, { action: 'revise', operation: 'insert_top' });
    const revised = await client.ask('POST', path, policy.value);
    if (revised.ok) return ok(undefined);
    if (revised.error.status !== precondition || writes + 1 >= writesMax) return revised;
  }
}

export async function remove(client: NsxClient, path: NsxPath): Promise<NsxResult<unknown>> {
  const deleted = await client.ask('DELETE', path);
  return !deleted.ok && deleted.error.status === 404 ? ok({}) : deleted;
}

/** Reads, and puts in its place what `next` makes of it (null = leave it), until nobody wrote in between. */
export async function replace(
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
