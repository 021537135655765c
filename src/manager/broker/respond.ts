// Acts on a VM at a person's word about an alarm, or agrees to what a rule proposed: both are plans, and both are waited for.
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { PlannedAction, Remediation } from '../../model/remediation.ts';
import { isCarriedOut } from '../../stages/respond/plan-run.ts';
import type { Wanted } from '../../stages/respond/wanted.ts';
import { record } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { planRunById, planRunsOfAlarm } from '../store/plans.ts';
import { theAlarm } from './alarms.ts';
import { somebodyIsThere } from './carry-out.ts';
import { adoptWish, decidePlan, remediationIn } from './plans.ts';

export interface RespondRequest {
  readonly alarm: string;
  readonly action: PlannedAction;
  readonly evidence: Wanted['evidence'];
  /** Only for `call`: which of the configured calls. */
  readonly call?: string;
  /** Only for `revert`. */
  readonly snapshot?: string | undefined;
  readonly by: string;
}

/** Snapshots of large guests take their time; the rest of the plan then goes on without the one who asked. */
const waitMsMax = 58_000;

export async function respondToAlarm(desk: Desk, request: RespondRequest): Promise<Result<Remediation>> {
  const { by, action, evidence, call, snapshot } = request;
  const named = { ...(call === undefined ? {} : { call }), ...(snapshot === undefined ? {} : { snapshot }) };
  const read = await desk.store.read(async (db) => await theAlarm(db, request.alarm));
  const found = read.ok ? read.value : read;
  if (!found.ok) return found;
  const alarm = found.value;
  const there = action === 'call' ? ok(null) : await somebodyIsThere(desk, alarm.vm, alarm.vmName);
  if (!there.ok) {
    await record(desk, { by, verb: 'remediation.start', subject: alarm.id }, 'failed', sayProblem(there.error));
    return there;
  }
  const waiting = action === 'call' ? null : await proposedAs(desk, alarm, action);
  const why = `alarm ${alarm.id}: ${alarm.title}`.slice(0, 1000);
  const begun =
    waiting === null
      ? await adoptWish(desk, { vm: alarm.vm, alarm, action, by, evidence, why, ...named })
      : await decidePlan(desk, waiting, 'approved', by);
  return begun.ok ? await settledAnswer(desk, begun.value, action) : begun;
}

/** What became of that action of the plan, when the plan has ended or nobody waits any longer. */
export async function settledAnswer(desk: Desk, begun: PlanRun, action: PlannedAction): Promise<Result<Remediation>> {
  const settled = await untilSettled(desk, begun);
  return settled.ok ? await answerOf(desk, settled.value, action) : settled;
}

/** The plan that waits for consent to exactly this; more than was said is not agreed to. */
async function proposedAs(desk: Desk, alarm: Alarm, action: PlannedAction): Promise<string | null> {
  const runs = await desk.store.read(async (db) => await planRunsOfAlarm(db, alarm.id));
  const waiting = (runs.ok ? runs.value : []).filter(({ state }) => state === 'waiting-approval');
  return waiting.find(({ plan }) => plan.steps.every((step) => step.action === action))?.plan.id ?? null;
}

/** Resolves when the plan has ended, or goes on without anybody waiting. */
async function untilSettled(desk: Desk, begun: PlanRun): Promise<Result<PlanRun>> {
  const { id } = begun.plan;
  const settled = Promise.withResolvers<null>();
  const giveUp = () => settled.resolve(null);
  const timer = setTimeout(giveUp, waitMsMax);
  desk.closing.addEventListener('abort', giveUp);
  const stopListening = desk.announcements.listen((said) => {
    if (said.kind === 'plan' && said.run.plan.id === id && isCarriedOut(said.run.state)) settled.resolve(null);
  });
  try {
    const now = await desk.store.read(async (db) => await planRunById(db, id));
    if (now.ok && now.value !== null && !isCarriedOut(now.value.state)) await settled.promise;
    const last = await desk.store.read(async (db) => await planRunById(db, id));
    return last.ok ? ok(last.value ?? begun) : last;
  } finally {
    clearTimeout(timer);
    desk.closing.removeEventListener('abort', giveUp);
    stopListening();
  }
}

async function answerOf(desk: Desk, run: PlanRun, action: PlannedAction): Promise<Result<Remediation>> {
  const done = await desk.store.read(async (db) => await remediationIn(db, run, action));
  if (!done.ok) return done;
  if (done.value !== null) return ok(done.value);
  const at = run.plan.steps.findIndex((step) => step.action === action);
  return fail(
    problem(
      'interrupted',
      `Plan ${run.plan.id} is ${run.state}, and ${action} was not begun: ${run.steps[at]?.evidence ?? 'it waits'}.`,
      'See `plumbline plans`.',
    ),
  );
}
