// One alarm with all that is known about it, and closing it.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { AlarmDetail, PendingAnswer } from '../../model/alarm-detail.ts';
import type { Alarm } from '../../model/alarm.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import type { PlanRun } from '../../model/plan.ts';
import { advance } from '../../stages/respond/plan-run.ts';
import type { Turn } from '../audit/change.ts';
import { retiredBehind } from '../intent/retirement.ts';
import { listAdmitting } from '../store/changes.ts';
import { activitiesOf, alarmById, settleAlarm, settledOf } from '../store/alarms.ts';
import { planRunsOfAlarm, savePlanRun } from '../store/plans.ts';
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
    pending: pendingIn(await planRunsOfAlarm(db, id)),
    changes: await changesThatAdmitted(db, alarm.value),
    retired: await retiredBehind(db, alarm.value),
    settled,
  });
}

async function changesThatAdmitted(db: Db, { finding, scope, service }: Alarm): Promise<AlarmDetail['changes']> {
  if (finding === null || scope === null || service === null) return [];
  const entry = behaviourId(behaviourOf(finding.deviation.activity));
  return await listAdmitting(db, { scope, service }, entry);
}

/** What asked for a person's consent, answered or not. */
function pendingIn(runs: readonly PlanRun[]): PendingAnswer[] {
  return runs
    .filter(({ plan, state }) => plan.consent === 'approval' && state !== 'dry-run')
    .flatMap(({ plan, state, decidedBy }) =>
      plan.steps.map(({ action }) => ({
        plan: plan.id,
        action,
        since: plan.madeAt,
        answeredBy: state === 'waiting-approval' ? null : (decidedBy ?? 'nobody in time'),
      })),
    );
}

/** What still waits for consent on an alarm that is settled waits for nothing any more. */
export async function withdrawPlans(turn: Turn, alarm: string): Promise<void> {
  for (const run of await planRunsOfAlarm(turn.db, alarm)) {
    const next = advance(run, { kind: 'denied', by: turn.by, atMs: Date.parse(turn.at) });
    if (next === run) continue;
    await savePlanRun(turn.db, next);
    await turn.record('plan.denied', run.plan.id, `alarm ${alarm} was settled`);
    turn.announce({ kind: 'plan', run: next });
  }
}

export async function closeAlarm(turn: Turn, id: string): Promise<Result<Alarm>> {
  const alarm = await theAlarm(turn.db, id);
  if (!alarm.ok) return alarm;
  if (alarm.value.status !== 'open') return fail(problem('refused', `Alarm ${id} is ${alarm.value.status} already.`));
  const closed = await settleAlarm(turn.db, alarm.value, 'closed', turn.by, turn.at);
  await withdrawPlans(turn, id);
  turn.detail(closed.title);
  turn.announce({ kind: 'alarm', isNew: false, alarm: closed });
  return ok(closed);
}
