// Has a sentinel carry out one step: audit, signed order, and the state the sentinel read back. Thin on purpose: whether it may
// be done is decided before, whether it was done is decided by who can see the VM. The same step ordered again is carried out
// once: the sentinel remembers what became of it.
import { isoTime } from '../../kit/clock.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Step, Remediation } from '../../model/remediation.ts';
import type { SentinelEnd } from '../../wire/link.ts';
import { payloadTypes, type Order } from '../../wire/messages.ts';
import { change, record, type Act } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { storeRemediation } from '../ingest/reported-remediations.ts';
import { alarmById } from '../store/alarms.ts';
import { remediationsIn } from '../store/remediations.ts';
import { platformSightings } from '../store/platform-vms.ts';
import { sentinelOfVm, vmById } from '../store/vms.ts';
import { handsOf } from './offers.ts';
import type { Carried, StepCarrier } from './plan-turn.ts';

const orderLifeMs = 60_000;
/** Snapshots of large guests take their time; the answer then comes with a later batch. */
const answerMsMax = 55_000;

export interface Errand {
  readonly step: Step;
  readonly vmName: string;
  readonly alarm: Alarm | null;
  readonly by: string;
  /** The plan it is a step of; null = it stands alone. */
  readonly plan: string | null;
  /** The platform through which it is carried out; absent = the VM's sentinel. */
  readonly platform?: string;
}

/** The way of every step that is carried out beside its VM. */
export function makeSentinelCarrier(desk: Desk): StepCarrier {
  return {
    async carry(step, run, by) {
      const errand = await errandOf(desk, step, run, by);
      if (!errand.ok) return { outcome: null, why: sayProblem(errand.error) };
      return outcomeOf(await carryOut(desk, errand.value));
    },
  };
}

export async function errandOf(desk: Desk, step: Step, { plan }: PlanRun, by: string): Promise<Result<Errand>> {
  return await desk.store.read(async (db) => ({
    step,
    by,
    plan: plan.id,
    alarm: plan.alarm === null ? null : await alarmById(db, plan.alarm),
    vmName: (await vmById(db, plan.vm))?.name ?? plan.vm,
  }));
}

export function outcomeOf(carried: Result<CarriedOut>): Carried {
  if (!carried.ok) return { outcome: null, why: sayProblem(carried.error) };
  const { remediation, isAnswered } = carried.value;
  const { state, evidence } = remediation;
  if (!isAnswered) return { outcome: null, why: evidence };
  return { outcome: { state: state === 'done' || state === 'failed' ? state : 'unconfirmed', evidence } };
}

interface CarriedOut {
  readonly remediation: Remediation;
  /** False = nobody knows, and asking again may tell. */
  readonly isAnswered: boolean;
}

/** A problem when it could not even be asked for. */
export async function carryOut(desk: Desk, errand: Errand): Promise<Result<CarriedOut>> {
  const { step, by } = errand;
  const act: Act = { by, verb: 'remediation.start', subject: step.id };
  const end = await sentinelFor(desk, errand);
  if (!end.ok) {
    await record(desk, act, 'failed', sayProblem(end.error));
    return end;
  }
  return await underRecord(desk, errand, async () => await give(desk, end.value, errand));
}

/** What became of a step; of a whole remediation that came from elsewhere, only this counts. */
export type Answered = Result<Pick<Remediation, 'state' | 'evidence' | 'endedAt'>>;

/** Written down before it is asked for and after it was answered. `interrupted` = nobody knows what became of it. */
export async function underRecord(
  desk: Desk,
  errand: Errand,
  ask: () => Promise<Answered>,
): Promise<Result<CarriedOut>> {
  const { step, by, vmName } = errand;
  const act: Act = { by, verb: 'remediation.start', subject: step.id };
  const begun = await begin(desk, act, errand);
  if (!begun.ok) return begun;
  const answered = await ask();
  const remediation = concluded(desk, begun.value, answered);
  const stored = await change(desk, { ...act, silent: true }, async (turn) =>
    ok(await storeRemediation(turn, remediation)),
  );
  await record(
    desk,
    act,
    remediation.state === 'done' ? 'done' : 'failed',
    `${step.action} of ${vmName}: ${remediation.state}. ${remediation.evidence}`,
  );
  const isAnswered = answered.ok || answered.error.kind !== 'interrupted';
  return stored.ok ? ok({ remediation: stored.value, isAnswered }) : stored;
}

/** Refuses at once what nobody is there to carry out: no sentinel of the VM, and no platform that knows it. */
export async function somebodyIsThere(desk: Desk, vm: string, vmName: string): Promise<Result<null>> {
  const end = await sentinelFor(desk, { step: { vm }, vmName });
  if (end.ok) return ok(null);
  const sightings = await desk.store.read(async (db) => await platformSightings(db, vm));
  if (!sightings.ok) return sightings;
  const known = handsOf(desk, sightings.value).map(({ hand }) => hand.health());
  if (known.some(({ state }) => state !== 'away')) return ok(null);
  const [away] = known;
  if (away === undefined) return end;
  const { name, since, why } = away;
  return fail(
    problem(
      'interrupted',
      `Platform ${name}, which has ${vmName}, does not answer since ${since}: ${why ?? ''}`,
      'See `plumbline platforms`, or act on the platform by hand.',
    ),
  );
}

async function sentinelFor(
  desk: Desk,
  { step, vmName }: { readonly step: Pick<Step, 'vm'>; readonly vmName: string },
): Promise<Result<SentinelEnd>> {
  const name = await desk.store.read(async (db) => await sentinelOfVm(db, step.vm));
  if (!name.ok) return name;
  const end = name.value === null ? null : desk.sentinels.find(name.value);
  if (end !== null) return ok(end);
  return fail(
    problem(
      'interrupted',
      name.value === null
        ? `No host runs ${vmName}, so that nothing can be done to it.`
        : `The sentinel of ${vmName}, ${name.value}, is not connected, so that nothing can be done to it now.`,
      'Start its sentinel, or act on the hypervisor by hand.',
    ),
  );
}

/** On disk before anything is done: whoever finds the VM suspended finds out by whom. */
async function begin(
  desk: Desk,
  act: Act,
  { step, alarm, vmName, plan, platform }: Errand,
): Promise<Result<Remediation>> {
  const remediation: Remediation = {
    id: step.id,
    step,
    ...(plan === null ? {} : { plan }),
    ...(platform === undefined ? {} : { platform }),
    origin: 'person',
    by: act.by,
    alarm: alarm?.id ?? null,
    group: alarm?.group ?? null,
    state: 'executing',
    evidence: '',
    startedAt: isoTime(desk.clock.now()),
    endedAt: null,
  };
  const noted = await record(desk, act, 'begun', `${step.action} of ${vmName}: ${step.why}`);
  if (!noted.ok) return noted;
  return await change(desk, { ...act, silent: true }, async (turn) => ok(await storeRemediation(turn, remediation)));
}

async function give(desk: Desk, end: SentinelEnd, { step, alarm, by }: Errand): Promise<Result<Remediation>> {
  const now = desk.clock.now();
  const order: Order = {
    step,
    by,
    alarm: alarm?.id ?? null,
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
function concluded(desk: Desk, begun: Remediation, answered: Answered): Remediation {
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
    evidence: isFinal ? evidence : `it was left ${state}`,
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
