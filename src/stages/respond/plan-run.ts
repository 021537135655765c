// How a plan goes on: a pure state machine. Whoever drives it stores each state before it acts on it, so that after a crash at
// any point the same question, asked of the stored state, gives the same next move; a step that was begun is begun again, which
// changes nothing where it had taken effect.
import type { Plan, PlanRun, PlanState, StepRun } from '../../model/plan.ts';
import type { PlannedAction, Step } from '../../model/remediation.ts';
import { actionTraits } from './action-traits.data.ts';

export interface Outcome {
  readonly state: 'done' | 'unconfirmed' | 'failed';
  readonly evidence: string;
  /** Trying again would give the same answer. */
  readonly isFinal?: boolean;
}

export type PlanEvent =
  | { readonly kind: 'approved' | 'denied' | 'undo-asked'; readonly by: string; readonly atMs: number }
  /** Nobody answered in time, or it has run out: the clock's own decisions. `objection` = why silence is no consent now. */
  | { readonly kind: 'time-up'; readonly objection: string | null; readonly atMs: number }
  | (OfStep & { readonly kind: 'begun'; readonly remediation: string })
  | (OfStep & { readonly kind: 'ended'; readonly outcome: Outcome })
  /** No answer came: whether it was done is not known. */
  | (OfStep & { readonly kind: 'silent' | 'covered'; readonly why: string });

/** About one step, going forward or being taken back; what comes from a direction that was left is not heard any more. */
interface OfStep {
  readonly of: 'step' | 'undo';
  readonly index: number;
  readonly atMs: number;
}

export type Move =
  /** Nothing to do before `untilMs`; null = not until somebody says something. */
  | { readonly do: 'rest'; readonly untilMs: number | null }
  | { readonly do: 'time-up' }
  /** `resumed` = it was begun before, and nobody knows how far it came. */
  | { readonly do: 'step' | 'undo'; readonly index: number; readonly attempt: number; readonly resumed: boolean };

const silencesMax = 8;
const undoAttemptsMax = 8;
const backOffMsFirst = 1000;
const backOffMsMax = 60_000;
const minuteMs = 60_000;

export function beginRun(plan: Plan, atMs: number): PlanRun {
  const run: PlanRun = {
    plan,
    state: plan.dryRun ? 'dry-run' : 'waiting-approval',
    steps: plan.steps.map(() => fresh),
    decidedBy: null,
    undoneBy: null,
    beganAt: null,
    expiresAt: null,
    note: plan.dryRun ? 'shown, not done' : '',
    changedAt: iso(atMs),
  };
  return run.state === 'waiting-approval' && plan.consent === 'automatic' ? start(run, null, atMs) : run;
}

const fresh: StepRun = {
  state: 'waiting',
  attempts: 0,
  attemptsBefore: 0,
  silences: 0,
  notBefore: null,
  remediation: null,
  evidence: '',
};

export function advance(run: PlanRun, event: PlanEvent): PlanRun {
  switch (event.kind) {
    case 'approved':
      return run.state === 'waiting-approval' ? start(run, event.by, event.atMs) : run;
    case 'denied':
      return run.state === 'waiting-approval'
        ? { ...moved(run, 'denied', event.atMs), decidedBy: event.by, note: 'denied' }
        : run;
    case 'undo-asked':
      return isCarriedOut(run.state) || run.state === 'executing' ? takeBack(run, event.by, event.atMs) : run;
    case 'time-up':
      return timeUp(run, event.objection, event.atMs);
    case 'begun':
    case 'ended':
    case 'silent':
    case 'covered':
      return run.state === (event.of === 'step' ? 'executing' : 'undoing') ? stepped(run, event) : run;
  }
}

function stepped(run: PlanRun, event: Extract<PlanEvent, OfStep>): PlanRun {
  const { index, atMs } = event;
  switch (event.kind) {
    case 'begun':
      return withStep(run, index, atMs, (step) => ({
        ...step,
        state: event.of === 'step' ? 'begun' : 'undo-begun',
        attempts: step.attempts + (isUnderWay(step) ? 0 : 1),
        notBefore: null,
        remediation: event.of === 'step' ? event.remediation : step.remediation,
      }));
    case 'ended':
      return settle(
        withStep(run, index, atMs, (step) => ended(run, step, event.outcome, atMs)),
        atMs,
      );
    case 'silent':
      return settle(
        withStep(run, index, atMs, (step) => silent(step, event.why, atMs)),
        atMs,
      );
    case 'covered':
      return settle(
        withStep(run, index, atMs, (step) => ({ ...step, state: 'covered', evidence: event.why })),
        atMs,
      );
  }
}

/** Calls go beside the rest: one that hangs holds up nothing that protects, and nothing that protects waits for an answer. */
export type Lane = 'act' | 'tell';

export function laneOf(step: Pick<Step, 'action'> | undefined): Lane {
  return step?.action === 'call' || step?.action === 'end-call' ? 'tell' : 'act';
}

export function nextMove(run: PlanRun, nowMs: number, lane: Lane = 'act'): Move {
  if (lane === 'tell') return nextCall(run, nowMs);
  const { state, plan, steps } = run;
  const isOfLane = (index: number) => laneOf(plan.steps[index]) === lane;
  if (state === 'waiting-approval') return alarmClock(plan.deadline, nowMs);
  if (isCarriedOut(state)) return alarmClock(run.expiresAt, nowMs);
  if (state !== 'executing' && state !== 'undoing') return { do: 'rest', untilMs: null };
  const index =
    state === 'executing'
      ? steps.findIndex((step, at) => isOfLane(at) && isToBeDone(step))
      : steps.findLastIndex((step, at) => isOfLane(at) && isToBeUndone(step));
  const step = steps[index];
  return step === undefined ? { do: 'rest', untilMs: null } : moveOf(step, index, state, nowMs);
}

/** Whichever call is due, since one of them may be waiting for a receiver that is away. */
function nextCall(run: PlanRun, nowMs: number): Move {
  const { state, plan, steps } = run;
  const isOpen = state === 'executing' ? isToBeDone : state === 'undoing' ? isToBeUndone : null;
  if (isOpen === null || (state === 'executing' && !isIsolationTried(run))) return { do: 'rest', untilMs: null };
  const moves = steps.flatMap((step, index) =>
    laneOf(plan.steps[index]) === 'tell' && isOpen(step) ? [moveOf(step, index, state, nowMs)] : [],
  );
  const due = moves.find((move) => move.do !== 'rest');
  if (due !== undefined) return due;
  const times = moves.flatMap((move) => (move.do === 'rest' && move.untilMs !== null ? [move.untilMs] : []));
  return { do: 'rest', untilMs: times.length === 0 ? null : Math.min(...times) };
}

/** So that what is told says how it went; a second try is not waited for. */
function isIsolationTried({ plan, steps }: PlanRun): boolean {
  return steps.every((step, at) => {
    const action = plannedAction(plan.steps[at]);
    if (action === null || actionTraits[action].phase !== 'isolate') return true;
    return !isToBeDone(step) || step.attempts - Number(step.state === 'begun') > 0 || step.silences > 0;
  });
}

function moveOf(step: StepRun, index: number, state: PlanState, nowMs: number): Move {
  const waitMs = step.notBefore === null ? 0 : Date.parse(step.notBefore);
  if (nowMs < waitMs) return { do: 'rest', untilMs: waitMs };
  const resumed = isUnderWay(step);
  return { do: state === 'executing' ? 'step' : 'undo', index, attempt: step.attempts + (resumed ? 0 : 1), resumed };
}

/** Nothing of it will change any more unless somebody, or its expiry, has it undone. */
export function isCarriedOut(state: PlanState): boolean {
  return state === 'done' || state === 'unconfirmed' || state === 'failed';
}

function start(run: PlanRun, by: string | null, atMs: number): PlanRun {
  const lateMs = atMs - Date.parse(run.plan.madeAt);
  const steps = run.plan.steps.map((step) => laterBy(step, lateMs));
  return { ...moved(run, 'executing', atMs), plan: { ...run.plan, steps }, decidedBy: by, beganAt: iso(atMs) };
}

/** What is to end by itself lasts as long from the moment it begins, however long consent took. */
function laterBy(step: Step, ms: number): Step {
  const { measure } = step;
  if (measure?.kind !== 'block-flow') return step;
  return { ...step, measure: { ...measure, expiresAt: iso(Date.parse(measure.expiresAt) + ms) } };
}

function timeUp(run: PlanRun, objection: string | null, atMs: number): PlanRun {
  if (isCarriedOut(run.state) && run.expiresAt !== null) return takeBack(run, 'expiry', atMs);
  if (run.state !== 'waiting-approval') return run;
  if (run.plan.unanswered === 'approve' && objection === null) return start(run, 'silence', atMs);
  const why = objection === null ? 'nobody agreed in time' : `nobody agreed in time, and ${objection}`;
  return { ...moved(run, 'expired', atMs), note: why.slice(0, 1000) };
}

/** What was never begun is left; what holds, or may hold, is undone in reverse order. */
function takeBack(run: PlanRun, by: string, atMs: number): PlanRun {
  const steps = run.steps.map((step, index): StepRun => {
    const undo = run.plan.steps[index]?.undo ?? null;
    if (step.state === 'waiting' && step.attempts === 0)
      return { ...step, state: 'left', evidence: 'the plan was taken back before it' };
    // Lifting what is not there changes nothing; resuming what somebody else suspended would.
    if (step.state === 'left' || step.state === 'covered' || (step.state === 'failed' && undo !== 'lift')) return step;
    if (undo === null) return { ...step, state: 'kept', evidence: 'it cannot be taken back' };
    return { ...step, state: 'unconfirmed', attemptsBefore: step.attempts, silences: 0, notBefore: null };
  });
  return settle({ ...moved(run, 'undoing', atMs), steps, undoneBy: by, expiresAt: null }, atMs);
}

function isToBeDone(step: StepRun): boolean {
  return step.state === 'waiting' || step.state === 'begun';
}

function isToBeUndone(step: StepRun): boolean {
  return step.state === 'unconfirmed' || step.state === 'undo-begun';
}

function isUnderWay(step: StepRun): boolean {
  return step.state === 'begun' || step.state === 'undo-begun';
}

function ended(run: PlanRun, step: StepRun, outcome: Outcome, atMs: number): StepRun {
  const evidence = outcome.evidence.slice(0, 4000).toWellFormed();
  const isUndo = run.state === 'undoing';
  if (outcome.state === 'done') return { ...step, state: isUndo ? 'undone' : 'done', silences: 0, evidence };
  const attemptsMax = isUndo ? undoAttemptsMax : run.plan.attemptsMax;
  const tried = step.attempts - step.attemptsBefore;
  if (tried < attemptsMax && outcome.isFinal !== true)
    return { ...again(step, tried, atMs), state: isUndo ? 'unconfirmed' : 'waiting', silences: 0, evidence };
  return { ...step, state: isUndo ? 'kept' : outcome.state, silences: 0, evidence };
}

function silent(step: StepRun, why: string, atMs: number): StepRun {
  const silences = step.silences + 1;
  const evidence = why.slice(0, 4000).toWellFormed();
  if (silences < silencesMax) return { ...again(step, silences, atMs), silences, evidence };
  return { ...step, silences, state: step.state === 'undo-begun' ? 'kept' : 'unconfirmed', evidence };
}

function again(step: StepRun, times: number, atMs: number): StepRun {
  return { ...step, notBefore: iso(atMs + Math.min(backOffMsFirst * 4 ** (times - 1), backOffMsMax)) };
}

/** After each ended step: what may not follow is left, and when nothing is open the plan has ended. */
function settle(run: PlanRun, atMs: number): PlanRun {
  if (run.state === 'undoing') {
    if (run.steps.some(isToBeUndone)) return run;
    const kept = run.plan.steps.filter((_, index) => run.steps[index]?.state === 'kept');
    const note = kept.length === 0 ? '' : `not taken back: ${kept.map((step) => step.action).join(', ')}`;
    return { ...moved(run, kept.some((step) => step.undo !== null) ? 'unconfirmed' : 'undone', atMs), note };
  }
  if (run.state !== 'executing') return run;
  const steps = leaveWhatMayNotFollow(run);
  const next = { ...run, steps };
  if (steps.some(isToBeDone)) return next;
  const state = steps.some((step) => step.state === 'unconfirmed')
    ? 'unconfirmed'
    : steps.some((step) => step.state === 'failed' || step.state === 'left')
      ? 'failed'
      : 'done';
  const { expiresMinutes } = run.plan;
  const expiresAt = expiresMinutes === null ? null : iso(atMs + expiresMinutes * minuteMs);
  return { ...moved(next, state, atMs), expiresAt };
}

/** Nothing is destroyed whose evidence was to be kept first and is not there for certain. */
function leaveWhatMayNotFollow({ plan, steps }: PlanRun): StepRun[] {
  let missing: string | null = null;
  return steps.map((step, index) => {
    const action = plannedAction(plan.steps[index]);
    if (action === null) return step;
    const { phase, destroys } = actionTraits[action];
    if (phase === 'collect' && (step.state === 'failed' || step.state === 'unconfirmed')) missing ??= action;
    if (!destroys || missing === null || step.state !== 'waiting') return step;
    return { ...step, state: 'left', evidence: `not done: the ${missing} before it is not there for certain` };
  });
}

function plannedAction(step: Step | undefined): PlannedAction | null {
  return step === undefined || !(step.action in actionTraits) ? null : (step.action as PlannedAction);
}

function withStep(run: PlanRun, index: number, atMs: number, change: (step: StepRun) => StepRun): PlanRun {
  const steps = run.steps.map((step, at) => (at === index ? change(step) : step));
  return { ...run, steps, changedAt: iso(atMs) };
}

function moved(run: PlanRun, state: PlanState, atMs: number): PlanRun {
  return { ...run, state, changedAt: iso(atMs) };
}

function alarmClock(at: string | null, nowMs: number): Move {
  if (at === null) return { do: 'rest', untilMs: null };
  const atMs = Date.parse(at);
  return nowMs >= atMs ? { do: 'time-up' } : { do: 'rest', untilMs: atMs };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
