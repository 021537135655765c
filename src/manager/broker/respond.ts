// Acts on a VM at a person's word: plan, audit, signed order, and the state the sentinel read back. Thin on purpose: whether
// it may be done is decided before, whether it was done is decided by who can see the VM.
import { isoTime } from '../../kit/clock.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Action, Plan, Remediation } from '../../model/remediation.ts';
import { planFor } from '../../stages/respond/respond.ts';
import type { SentinelEnd } from '../../wire/link.ts';
import { payloadTypes, type Order } from '../../wire/messages.ts';
import { change, record, type Act } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { storeRemediation } from '../ingest/reported-remediations.ts';
import { fulfilPending } from '../store/alarms.ts';
import { remediationById, remediationsIn } from '../store/remediations.ts';
import { sentinelOfVm } from '../store/vms.ts';
import { theAlarm } from './alarms.ts';

/** An order that did not reach its sentinel by then must not be carried out when it does. */
const orderLifeMs = 60_000;
/** Snapshots of large guests take their time; the answer then comes with a later batch. */
const answerMsMax = 55_000;

export interface RespondRequest {
  readonly alarm: string;
  readonly action: Action;
  readonly by: string;
}

export async function respondToAlarm(desk: Desk, request: RespondRequest): Promise<Result<Remediation>> {
  const { by, action } = request;
  if (action === 'alert')
    return fail(
      problem('usage', 'An alarm has been raised already.', 'Choose suspend, resume, snapshot or power-off.'),
    );
  const alarm = await readAlarm(desk, request.alarm);
  if (!alarm.ok) return alarm;
  const plan = planFor(
    action,
    alarm.value.vm,
    `alarm ${alarm.value.id}: ${alarm.value.title}`.slice(0, 1000),
    desk.newId(),
  );
  const act: Act = { by, verb: 'remediation.start', subject: plan.id };
  const end = await sentinelFor(desk, alarm.value);
  if (!end.ok) {
    await record(desk, act, 'failed', sayProblem(end.error));
    return end;
  }
  const begun = await begin(desk, act, plan, alarm.value);
  if (!begun.ok) return begun;
  const answered = await give(desk, end.value, plan, alarm.value, by);
  const remediation = concluded(desk, begun.value, answered);
  const stored = await change(desk, { ...act, silent: true }, async (turn) => {
    await fulfilPending(turn.db, alarm.value.id, action, by);
    return ok(await storeRemediation(turn, remediation));
  });
  await record(
    desk,
    act,
    remediation.state === 'done' ? 'done' : 'failed',
    `${action} of ${alarm.value.vmName}: ${remediation.state}. ${remediation.evidence}`,
  );
  return stored;
}

async function readAlarm(desk: Desk, id: string): Promise<Result<Alarm>> {
  const read = await desk.store.read(async (db) => await theAlarm(db, id));
  return read.ok ? read.value : read;
}

async function sentinelFor(desk: Desk, alarm: Alarm): Promise<Result<SentinelEnd>> {
  const name = await desk.store.read(async (db) => await sentinelOfVm(db, alarm.vm));
  if (!name.ok) return name;
  const end = name.value === null ? null : desk.sentinels.find(name.value);
  if (end !== null) return ok(end);
  return fail(
    problem(
      'interrupted',
      name.value === null
        ? `No host runs ${alarm.vmName}, so that nothing can be done to it.`
        : `The sentinel of ${alarm.vmName}, ${name.value}, is not connected, so that nothing can be done to it now.`,
      'Start its sentinel, or act on the hypervisor by hand.',
    ),
  );
}

/** On disk before anything is done: whoever finds the VM suspended finds out by whom. */
async function begin(desk: Desk, act: Act, plan: Plan, alarm: Alarm): Promise<Result<Remediation>> {
  const remediation: Remediation = {
    id: plan.id,
    plan,
    origin: 'person',
    by: act.by,
    alarm: alarm.id,
    group: alarm.group,
    state: 'executing',
    evidence: '',
    startedAt: isoTime(desk.clock.now()),
    endedAt: null,
  };
  const noted = await record(desk, act, 'begun', `${plan.action} of ${alarm.vmName}: ${plan.why}`);
  if (!noted.ok) return noted;
  return await change(desk, { ...act, silent: true }, async (turn) => ok(await storeRemediation(turn, remediation)));
}

async function give(desk: Desk, end: SentinelEnd, plan: Plan, alarm: Alarm, by: string): Promise<Result<Remediation>> {
  const now = desk.clock.now();
  const order: Order = {
    plan,
    by,
    alarm: alarm.id,
    issuedAt: isoTime(now),
    expiresAt: isoTime(now + orderLifeMs),
  };
  const envelope = desk.seals.seal(payloadTypes.order, order);
  const late = Promise.withResolvers<Result<Remediation>>();
  const timer = setTimeout(() => late.resolve(noAnswer(end.sentinel)), answerMsMax);
  const giveUp = () => late.resolve(stopped);
  desk.closing.addEventListener('abort', giveUp);
  try {
    return await Promise.race([end.order(envelope), late.promise]);
  } catch {
    return noAnswer(end.sentinel);
  } finally {
    clearTimeout(timer);
    desk.closing.removeEventListener('abort', giveUp);
  }
}

const stopped = fail(
  problem(
    'interrupted',
    'The manager stopped before the sentinel answered.',
    'Look at the VM; its answer may still come.',
  ),
);

function noAnswer(sentinel: string): Result<Remediation> {
  return fail(
    problem(
      'interrupted',
      `Sentinel ${sentinel} has not said what became of it.`,
      'Look at the VM; its answer may still come.',
    ),
  );
}

/** What the sentinel verified, or `failed` when it refused, or `unconfirmed` when nobody knows. Never better than that. */
function concluded(desk: Desk, begun: Remediation, answered: Result<Remediation>): Remediation {
  const endedAt = isoTime(desk.clock.now());
  if (!answered.ok) {
    const state = answered.error.kind === 'interrupted' ? 'unconfirmed' : 'failed';
    return { ...begun, state, evidence: sayProblem(answered.error), endedAt };
  }
  const { state, evidence } = answered.value;
  const isFinal = state === 'done' || state === 'failed' || state === 'unconfirmed';
  return {
    ...begun,
    state: isFinal ? state : 'unconfirmed',
    evidence: isFinal ? evidence : `the sentinel left it ${state}`,
    endedAt: answered.value.endedAt ?? endedAt,
  };
}

/** After a restart: what was under way when the manager stopped is known to nobody here. */
export async function settleInterrupted(desk: Desk): Promise<Result<number>> {
  return await change(
    desk,
    { by: 'manager', verb: 'remediation.recover', subject: 'start', silent: true },
    async (turn) => {
      const under = await remediationsIn(turn.db, 'executing');
      for (const remediation of under)
        await storeRemediation(turn, {
          ...remediation,
          state: 'unconfirmed',
          evidence: sayProblem(stopped.error),
          endedAt: turn.at,
        });
      return ok(under.length);
    },
  );
}

export async function theRemediation(desk: Desk, id: string): Promise<Result<Remediation>> {
  const read = await desk.store.read(async (db) => await remediationById(db, id));
  if (!read.ok) return read;
  return read.value === null
    ? fail(problem('not-found', `There is no remediation ${id}.`, 'See `plumbline remediations`.'))
    : ok(read.value);
}
