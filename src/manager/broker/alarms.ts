// One alarm with all that is known about it, and closing it.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { AlarmDetail } from '../../model/alarm-detail.ts';
import type { Alarm } from '../../model/alarm.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import type { Turn } from '../audit/change.ts';
import { listAdmitting } from '../store/changes.ts';
import { activitiesOf, alarmById, pendingOf, settleAlarm, settledOf } from '../store/alarms.ts';
import { remediationsOfAlarm } from '../store/remediations.ts';
import type { Db } from '../store/tables.ts';

export async function theAlarm(db: Db, id: string): Promise<Result<Alarm>> {
  const alarm = await alarmById(db, id);
  return alarm === null
    ? fail(problem('not-found', `There is no alarm ${id}.`, 'See `plumbline alarms` for those there are.'))
    : ok(alarm);
}

export async function readAlarm(db: Db, id: string): Promise<Result<AlarmDetail>> {
  const alarm = await theAlarm(db, id);
  if (!alarm.ok) return alarm;
  const { settled, activitiesDropped } = await settledOf(db, id);
  return ok({
    alarm: alarm.value,
    activities: await activitiesOf(db, id),
    activitiesDropped,
    remediations: await remediationsOfAlarm(db, id),
    pending: await pendingOf(db, id),
    changes: await changesThatAdmitted(db, alarm.value),
    settled,
  });
}

async function changesThatAdmitted(db: Db, { finding, scope, service }: Alarm): Promise<AlarmDetail['changes']> {
  if (finding === null || scope === null || service === null) return [];
  const entry = behaviourId(behaviourOf(finding.deviation.activity));
  return await listAdmitting(db, { scope, service }, entry);
}

export async function closeAlarm(turn: Turn, id: string): Promise<Result<Alarm>> {
  const alarm = await theAlarm(turn.db, id);
  if (!alarm.ok) return alarm;
  if (alarm.value.status !== 'open') return fail(problem('refused', `Alarm ${id} is ${alarm.value.status} already.`));
  const closed = await settleAlarm(turn.db, alarm.value, 'closed', turn.by, turn.at);
  turn.detail(closed.title);
  turn.announce({ kind: 'alarm', isNew: false, alarm: closed });
  return ok(closed);
}
