// Answers the attempt that is held on a VM, so that the VM runs on.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { HeldAnswer, Remediation } from '../../model/remediation.ts';
import type { HeldAttempt, Vm } from '../../model/vm.ts';
import { releaseStep } from '../../stages/respond/steps.ts';
import type { Desk } from '../desk.ts';
import { theVm } from '../intent/references.ts';
import { latestOfGroup } from '../store/alarms.ts';
import { carryOut } from './carry-out.ts';

export interface ReleaseRequest {
  readonly vm: string;
  readonly answer: HeldAnswer;
  readonly by: string;
}

export async function releaseVm(
  desk: Desk,
  { vm: reference, answer, by }: ReleaseRequest,
): Promise<Result<Remediation>> {
  const found = await heldOn(desk, reference);
  if (!found.ok) return found;
  const { vm, held, alarm } = found.value;
  const step = releaseStep(answer, vm.id, `${by} answered ${answer} to: ${held.what}`, desk.newId());
  const carried = await carryOut(desk, { step, vmName: vm.name, alarm, by, plan: null });
  return carried.ok ? ok(carried.value.remediation) : carried;
}

async function heldOn(
  desk: Desk,
  reference: string,
): Promise<Result<{ vm: Vm; held: HeldAttempt; alarm: Alarm | null }>> {
  const read = await desk.store.read(async (db) => {
    const vm = await theVm(db, reference);
    if (!vm.ok) return vm;
    const { held, id, name } = vm.value;
    if (held === undefined)
      return fail(problem('refused', `Nothing is held on ${name}.`, 'See `plumbline held` for what waits.'));
    return ok({ vm: vm.value, held, alarm: await latestOfGroup(db, id, held.group) });
  });
  return read.ok ? read.value : read;
}
