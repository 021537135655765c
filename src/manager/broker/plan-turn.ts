// One move of one plan. Each is stored before it is acted on and after it has ended, so that a manager that dies anywhere goes
// on from what it stored; what was under way is asked for again, by the same name, which does nothing twice.
import { isoTime } from '../../kit/clock.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { Plan, PlanRun } from '../../model/plan.ts';
import type { Step } from '../../model/remediation.ts';
import { limitsOf, radiusObjection } from '../../stages/respond/blast-radius.ts';
import { isDisruptive } from '../../stages/respond/action-traits.data.ts';
import { answeredBy, overtaken } from '../../stages/respond/in-force.ts';
import {
  advance,
  type Lane,
  type Move,
  nextMove,
  type Outcome,
  type PlanEvent,
} from '../../stages/respond/plan-run.ts';
import { attemptOf, undoStep } from '../../stages/respond/steps.ts';
import { change, type Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { openPlanRuns, planRunById, savePlanRun } from '../store/plans.ts';
import { remediationsOfVm } from '../store/remediations.ts';
import { groundFor } from './ground.ts';

/** Has one step carried out where its VM is. Asked twice for the same step it does no more than once. */
export interface StepCarrier {
  carry(step: Step, run: PlanRun, by: string): Promise<Carried>;
}

export type Carried = { readonly outcome: Outcome } | { readonly outcome: null; readonly why: string };

export interface PlanTurnParts {
  readonly desk: Pick<Desk, 'store' | 'clock' | 'log' | 'announcements'>;
  readonly carrier: StepCarrier;
  /** A plan that nobody could confirm: told where it cannot be overlooked. */
  readonly unconfirmed: (turn: Turn, run: PlanRun) => Promise<void>;
}

/** `moved` = it may have more to do at once; otherwise when to come back, null = when something new is said. */
export type Turned = { readonly moved: true } | { readonly moved: false; readonly untilMs: number | null };

/**
 * Makes the next move of the VM's plans, in each lane one step at a time: what was begun first, then a person's word, then the
 * oldest.
 */
export async function takeTurn(parts: PlanTurnParts, vm: string, lane: Lane): Promise<Result<Turned>> {
  const { store, clock } = parts.desk;
  const open = await store.read(async (db) => await openPlanRuns(db, vm));
  if (!open.ok) return open;
  const nowMs = clock.now();
  const moves = open.value.map((run) => ({ run, move: nextMove(run, nowMs, lane) }));
  const [first] = moves.filter(({ move }) => move.do !== 'rest').toSorted((a, b) => urgency(b) - urgency(a));
  if (first === undefined) return ok({ moved: false, untilMs: earliest(moves.map(({ move }) => move)) });
  const made = await makeMove(parts, first.run, first.move);
  return made.ok ? ok({ moved: true }) : made;
}

function urgency({ run, move }: { readonly run: PlanRun; readonly move: Move }): number {
  if ((move.do === 'step' || move.do === 'undo') && move.resumed) return 2;
  return run.plan.origin === 'person' || (move.do === 'undo' && run.undoneBy !== 'expiry') ? 1 : 0;
}

function earliest(moves: readonly Move[]): number | null {
  const times = moves.flatMap((move) => (move.do === 'rest' && move.untilMs !== null ? [move.untilMs] : []));
  return times.length === 0 ? null : Math.min(...times);
}

async function makeMove(parts: PlanTurnParts, run: PlanRun, move: Move): Promise<Result<PlanRun | null>> {
  if (move.do === 'rest') return ok(run);
  const atMs = parts.desk.clock.now();
  if (move.do === 'time-up') return await timeUp(parts, run, atMs);
  const { index, do: of, attempt } = move;
  const planned = run.plan.steps[index];
  const step = planned === undefined ? null : stepOf(run, planned, move);
  if (step === null) return await tell(parts, run, { kind: 'covered', of, index, why: 'nothing is left to do', atMs });
  const why = of === 'step' && !move.resumed ? await notAnyMore(parts, run, step, atMs) : ok(null);
  if (!why.ok) return why;
  if (why.value !== null) return await tell(parts, run, { kind: 'covered', of, index, why: why.value, atMs });

  const begun = await tell(parts, run, { kind: 'begun', of, index, remediation: step.id, atMs });
  // Refused or undone while nobody looked: then nothing is done.
  if (!begun.ok || begun.value === null) return begun;
  const by = of === 'undo' ? (run.undoneBy ?? 'manager') : run.plan.origin === 'person' ? run.plan.by : decider(run);
  const carried = await parts.carrier.carry(step, begun.value, by);
  const endedMs = parts.desk.clock.now();
  parts.desk.log.info('step carried out', { plan: run.plan.id, of, action: step.action, attempt });
  return carried.outcome === null
    ? await tell(parts, run, { kind: 'silent', of, index, why: carried.why, atMs: endedMs })
    : await tell(parts, run, { kind: 'ended', of, index, outcome: carried.outcome, atMs: endedMs });
}

function decider({ decidedBy }: PlanRun): string {
  return decidedBy === null || decidedBy === 'silence' ? 'rules' : decidedBy;
}

function stepOf(run: PlanRun, planned: Step, move: Extract<Move, { readonly attempt: number }>): Step | null {
  if (move.do === 'step') return attemptOf(planned, move.attempt);
  const remediation = run.steps[move.index]?.remediation ?? planned.id;
  const undo = undoStep(planned, remediation, `${run.undoneBy ?? 'manager'} takes back: ${planned.why}`);
  return undo === null ? null : attemptOf(undo, move.attempt);
}

/** Since the plan was made, something else may have done it, or a person may have said otherwise. */
async function notAnyMore(
  parts: PlanTurnParts,
  run: PlanRun,
  step: Step,
  atMs: number,
): Promise<Result<string | null>> {
  const known = await parts.desk.store.read(async (db) => await remediationsOfVm(db, step.vm));
  return known.ok ? ok(overtaken(step, run.plan, answeredBy(known.value, atMs))) : known;
}

/** Judged and stored in one: two VMs whose time is up at once must see each other. */
async function timeUp(parts: PlanTurnParts, { plan }: PlanRun, atMs: number): Promise<Result<PlanRun | null>> {
  const act = { by: 'manager', verb: 'plan.move', subject: plan.id, silent: true } as const;
  return await change(parts.desk, act, async (turn) => {
    const objection = plan.steps.some((step) => isDisruptive(step.action)) ? await objectionTo(turn, plan, atMs) : null;
    return ok(await storeEvent(parts, turn, plan.id, { kind: 'time-up', objection, atMs }));
  });
}

async function objectionTo({ db }: Turn, { vm }: Plan, atMs: number): Promise<string | null> {
  const { standing, recent, policy } = await groundFor(db, vm, null, atMs);
  return standing === null ? null : radiusObjection(vm, standing, recent, limitsOf(policy), atMs);
}

/** Stores what an event makes of the plan as it stands in the store now; null = the event came too late to mean anything. */
async function tell(parts: PlanTurnParts, { plan }: PlanRun, event: PlanEvent): Promise<Result<PlanRun | null>> {
  const act = { by: 'manager', verb: 'plan.move', subject: plan.id, silent: true } as const;
  return await change(parts.desk, act, async (turn) => ok(await storeEvent(parts, turn, plan.id, event)));
}

async function storeEvent(parts: PlanTurnParts, turn: Turn, id: string, event: PlanEvent): Promise<PlanRun | null> {
  const stored = await planRunById(turn.db, id);
  if (stored === null) return null;
  const next = advance(stored, event);
  if (next === stored) return null;
  await storeRun(parts, turn, stored, next);
  return next;
}

export async function storeRun(
  parts: Pick<PlanTurnParts, 'unconfirmed'>,
  turn: Turn,
  before: PlanRun,
  next: PlanRun,
): Promise<void> {
  await savePlanRun(turn.db, next);
  turn.announce({ kind: 'plan', run: next });
  if (next.state === before.state) return;
  const who = next.state === 'undoing' ? next.undoneBy : next.decidedBy;
  const said = [...(who === null ? [] : [`by ${who}`]), ...(next.note === '' ? [] : [next.note])].join('; ');
  await turn.record(`plan.${next.state}`, next.plan.id, said === '' ? isoTime(Date.parse(next.changedAt)) : said);
  if (next.state === 'unconfirmed') await parts.unconfirmed(turn, next);
}
