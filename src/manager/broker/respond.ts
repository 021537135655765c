// Acts on a VM at a person's word about an alarm, or agrees to what a rule proposed.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Remediation, VmAction } from '../../model/remediation.ts';
import { stepFor } from '../../stages/respond/respond.ts';
import type { Desk } from '../desk.ts';
import { remediationById } from '../store/remediations.ts';
import { theAlarm } from './alarms.ts';
import { carryOut } from './carry-out.ts';

export interface RespondRequest {
  readonly alarm: string;
  readonly action: VmAction;
  readonly by: string;
}

export async function respondToAlarm(desk: Desk, request: RespondRequest): Promise<Result<Remediation>> {
  const { by, action } = request;
  if (action === 'alert')
    return fail(
      problem('usage', 'An alarm has been raised already.', 'Choose suspend, resume, snapshot or power-off.'),
    );
  const read = await readAlarm(desk, request.alarm);
  if (!read.ok) return read;
  const alarm = read.value;
  const why = `alarm ${alarm.id}: ${alarm.title}`.slice(0, 1000);
  const step = stepFor(action, alarm.vm, why, desk.newId());
  return await carryOut(desk, { step, vmName: alarm.vmName, alarm, by });
}

async function readAlarm(desk: Desk, id: string): Promise<Result<Alarm>> {
  const read = await desk.store.read(async (db) => await theAlarm(db, id));
  return read.ok ? read.value : read;
}

export async function theRemediation(desk: Desk, id: string): Promise<Result<Remediation>> {
  const read = await desk.store.read(async (db) => await remediationById(db, id));
  if (!read.ok) return read;
  return read.value === null
    ? fail(problem('not-found', `There is no remediation ${id}.`, 'See `plumbline remediations`.'))
    : ok(read.value);
}
