// Has the manager itself make a call that is a step of a plan: recorded before and after like every other act. The name of the
// step goes out with it, the same for every attempt, and what was called once is not called again.
import { isoTime } from '../../kit/clock.ts';
import { causeOf, sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { Caller, CallOutcome } from '../../connectors/call/caller.ts';
import type { CallFacts } from '../../model/call-facts.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import { laneOf } from '../../stages/respond/plan-run.ts';
import { measureKey } from '../../stages/respond/steps.ts';
import { change, record, type Act } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { storeRemediation } from '../ingest/reported-remediations.ts';
import { remediationsOfVm } from '../store/remediations.ts';
import { callFacts } from './call-facts.ts';
import type { Carried, StepCarrier } from './plan-turn.ts';

/** Calls go this way, everything else beside its VM. */
export function withCalls(desk: Desk, beside: StepCarrier): StepCarrier {
  return {
    carry: async (step, run, by) =>
      laneOf(step) === 'tell' ? await carryCall(desk, step, run, by) : await beside.carry(step, run, by),
  };
}

const stopped = 'the manager stopped before an answer came';

interface Known {
  readonly facts: CallFacts;
  /** This very call, made before: done under whatever attempt, or this attempt failed. */
  readonly before: Remediation | null;
  /** Only for end-call: what the call that is taken back had opened. */
  readonly opened: string | null;
}

async function carryCall(desk: Desk, step: Step, run: PlanRun, by: string): Promise<Carried> {
  const known = await desk.store.read(async (db): Promise<Known> => {
    const all = await remediationsOfVm(db, step.vm);
    const done = all.filter(({ state }) => state === 'done');
    const named = (name: string | undefined, action: Step['action']) =>
      done.find((one) => one.step.action === action && measureKey(one.step) === name) ?? null;
    return {
      facts: await callFacts(db, step, run, desk.calls.consoleUrl, desk.clock.now()),
      before:
        named(measureKey(step), step.action) ??
        all.find(({ id, state }) => id === step.id && state === 'failed') ??
        null,
      opened: named(step.lifts, 'call')?.result ?? null,
    };
  });
  if (!known.ok) return { outcome: null, why: sayProblem(known.error) };
  const { before } = known.value;
  // We may have died between noting how it ended and going on; what failed is tried again under its next name.
  if (before?.state === 'failed') return { outcome: { state: 'failed', evidence: before.evidence } };
  if (before !== null)
    return { outcome: { state: 'done', evidence: `made once already, remediation ${before.id}: ${before.evidence}` } };

  const act: Act = { by, verb: 'remediation.start', subject: step.id };
  const begun = await begin(desk, act, step, run);
  if (!begun.ok) return { outcome: null, why: sayProblem(begun.error) };
  const made = await make(desk, step, known.value);
  // Given up because we stop: the next manager asks again, by the same name.
  const isGivenUp = made.state !== 'done' && desk.closing.aborted;
  const outcome: CallOutcome = isGivenUp ? { state: 'unconfirmed', evidence: stopped } : made;
  const stored = await conclude(desk, act, begun.value, outcome);
  if (!stored.ok) return { outcome: null, why: sayProblem(stored.error) };
  if (isGivenUp) return { outcome: null, why: stopped };
  const { state, evidence } = outcome;
  return { outcome: { state, evidence, ...(outcome.state === 'failed' && !outcome.again ? { isFinal: true } : {}) } };
}

async function make(desk: Desk, step: Step, { facts, opened }: Known): Promise<CallOutcome> {
  const caller = desk.calls.caller(step.call ?? '');
  const never = (evidence: string): CallOutcome => ({ state: 'failed', evidence, again: false });
  if (caller === null) return never(`no call ${step.call} is in the manager's configuration any more`);
  const order = { key: measureKey(step), facts, signal: desk.closing };
  try {
    if (step.action === 'call') return await caller.call(order);
    return opened === null
      ? never('what it opened is not known, so that it cannot be closed')
      : await caller.end(order, opened);
  } catch (thrown) {
    desk.log.error('a call broke off', { call: step.call, place: placeOf(caller), cause: causeOf(thrown) });
    return { state: 'unconfirmed', evidence: 'the call broke off within the manager' };
  }
}

function placeOf({ kind, place }: Caller): string {
  return `${kind} ${place}`;
}

async function begin(desk: Desk, act: Act, step: Step, { plan }: PlanRun): Promise<Result<Remediation>> {
  const noted = await record(desk, act, 'begun', `${step.action} ${step.call}: ${step.why}`);
  if (!noted.ok) return noted;
  const remediation: Remediation = {
    id: step.id,
    step,
    plan: plan.id,
    origin: act.by === 'rules' ? 'standing-order' : 'person',
    by: act.by,
    alarm: plan.alarm,
    group: plan.group,
    state: 'executing',
    evidence: '',
    startedAt: isoTime(desk.clock.now()),
    endedAt: null,
  };
  return await change(desk, { ...act, silent: true }, async (turn) => ok(await storeRemediation(turn, remediation)));
}

async function conclude(desk: Desk, act: Act, begun: Remediation, outcome: CallOutcome): Promise<Result<Remediation>> {
  const evidence = outcome.evidence.slice(0, 4000).toWellFormed();
  const remediation: Remediation = {
    ...begun,
    state: outcome.state,
    evidence,
    ...(outcome.state === 'done' && outcome.result !== undefined ? { result: outcome.result.slice(0, 128) } : {}),
    endedAt: isoTime(desk.clock.now()),
  };
  const stored = await change(desk, { ...act, silent: true }, async (turn) =>
    ok(await storeRemediation(turn, remediation)),
  );
  const said = `${begun.step.action} ${begun.step.call}: ${outcome.state}. ${evidence}`;
  await record(desk, act, outcome.state === 'done' ? 'done' : 'failed', said);
  return stored;
}
