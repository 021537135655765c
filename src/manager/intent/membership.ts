// Who belongs to which service. A VM belongs to one service only; it is known by its id, so that a renamed VM stays where it
// is and a clone, or a new VM of an old name, inherits nothing.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Vm } from '../../model/vm.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import {
  awaitedUnder,
  bindMember,
  insertMember,
  memberOfVm,
  removeMemberRow,
  renameMember,
  type MemberRow,
} from '../store/applications.ts';
import { issueToVm, withdraw } from './issue.ts';
import { findVm } from './references.ts';

interface Place {
  readonly scope: string;
  readonly service: string;
}

/** What became of a request to join. */
export type Joined = 'joined' | 'awaited' | 'unchanged';

export async function join(seals: Seals, turn: Turn, place: Place, reference: string): Promise<Result<Joined>> {
  const found = await findVm(turn.db, reference);
  if (!found.ok) return found;
  const vm = found.value;
  if (vm === null) return await awaitVm(turn, place, reference);
  if (vm.id.includes('#'))
    return fail(
      problem(
        'refused',
        `${vm.name} (pid ${vm.pid ?? 'unknown'}) claims the identity of another running VM.`,
        'Give it a UUID of its own before making it a member.',
      ),
    );
  const present = await memberOfVm(turn.db, vm.id);
  if (present !== null) return isAt(present, place) ? ok('unchanged') : fail(elsewhere(reference, present));
  await insertMember(turn.db, { ...place, reference: vm.id, vm: vm.id, name: vm.name });
  const issued = await issueToVm(seals, turn, place.scope, vm.id, 'member added');
  return issued.ok ? ok('joined') : issued;
}

async function awaitVm(turn: Turn, place: Place, reference: string): Promise<Result<Joined>> {
  if (/^[0-9]+$/.test(reference))
    return fail(
      problem('not-found', `No VM has the pid ${reference}.`, 'Name a VM that will appear later by its name or id.'),
    );
  const [waiting] = await awaitedUnder(turn.db, [reference]);
  if (waiting !== undefined) return isAt(waiting, place) ? ok('unchanged') : fail(elsewhere(reference, waiting));
  await insertMember(turn.db, { ...place, reference, vm: null, name: reference });
  return ok('awaited');
}

function isAt(present: Place, place: Place): boolean {
  return present.scope === place.scope && present.service === place.service;
}

function elsewhere(reference: string, place: Place) {
  return problem(
    'refused',
    `${reference} already belongs to ${place.scope}/${place.service}, and a VM belongs to one service only.`,
    'Remove it there first.',
  );
}

/** Takes a VM, or a reference that still waits for one, out of its service. The value is its row; null = it was no member. */
export async function leave(seals: Seals, turn: Turn, place: Place, reference: string): Promise<Result<string | null>> {
  const found = await findVm(turn.db, reference);
  if (!found.ok) return found;
  // A member whose VM left the inventory can still be named by its id.
  const member = await memberOfVm(turn.db, found.value?.id ?? reference);
  if (member !== null && isAt(member, place)) {
    await dismiss(seals, turn, member, 'member removed');
    return ok(member.name);
  }
  const waiting = (await awaitedUnder(turn.db, [reference])).find((row) => isAt(row, place));
  if (waiting === undefined) return ok(null);
  await removeMemberRow(turn.db, place.scope, place.service, reference);
  return ok(reference);
}

export async function dismiss(seals: Seals, turn: Turn, member: MemberRow, reason: string): Promise<void> {
  await removeMemberRow(turn.db, member.scope, member.service, member.reference);
  await withdraw(seals, turn, member.vm, reason);
}

/** A VM appeared or changed: it may be one that was waited for, and a member may have a new name. */
export async function greet(seals: Seals, turn: Turn, vm: Vm): Promise<Result<null>> {
  await renameMember(turn.db, vm.id, vm.name);
  // A second claimant of an identity gets nothing by claiming.
  if (vm.id.includes('#') || vm.state === 'gone') return ok(null);
  if ((await memberOfVm(turn.db, vm.id)) !== null) return ok(null);
  const waiting = await awaitedUnder(turn.db, [vm.id, vm.name]);
  const [place] = waiting;
  if (place === undefined) return ok(null);
  const named = await findVm(turn.db, place.reference);
  if (!named.ok) {
    await turn.record('member.join', place.reference, `not joined: ${named.error.message}`);
    return ok(null);
  }
  await bindMember(turn.db, place, vm.id, vm.name);
  await turn.record('member.join', vm.id, `${vm.name} appeared and joined ${place.scope}/${place.service}`);
  turn.announce({ kind: 'intent', subject: `${place.scope}/${place.service}` });
  const issued = await issueToVm(seals, turn, place.scope, vm.id, 'member appeared');
  return issued.ok ? ok(null) : issued;
}
