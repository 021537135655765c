// What people say about plans: agree, refuse, have undone; and what would be done about an alarm, without doing it.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { PlanPreview, PlanRun } from '../../model/plan.ts';
import { type PlannedAction, plannedActions } from '../../model/remediation.ts';
import { makePlan, type PlanCause, type Proposal } from '../../stages/respond/make-plan.ts';
import { causeOfFinding, plansForFinding } from '../../stages/respond/plan-by-rules.ts';
import { advance, isCarriedOut, type PlanEvent } from '../../stages/respond/plan-run.ts';
import { measureKey } from '../../stages/respond/steps.ts';
import { mergeWanted, type Wanted } from '../../stages/respond/wanted.ts';
import { change, type Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm, scopeNamed } from '../store/applications.ts';
import { planRunById } from '../store/plans.ts';
import { remediationById } from '../store/remediations.ts';
import type { Db } from '../store/tables.ts';
import { adoptPlan } from './adopt-plan.ts';
import { theAlarm } from './alarms.ts';
import { freshAbilities } from './ability-book.ts';
import { groundFor } from './ground.ts';
import { storeRun } from './plan-turn.ts';
import { theRemediation } from './the-remediation.ts';
import { raiseUnconfirmed } from './unconfirmed.ts';

export interface PersonsWish {
  readonly vm: string;
  readonly alarm: Alarm | null;
  readonly action: PlannedAction;
  readonly by: string;
  readonly evidence: Wanted['evidence'];
  /** Only for `revert`. */
  readonly snapshot?: string;
  /** Only for `lift` and `undo-re-image`. */
  readonly lifts?: string;
  /** Only for `call`. */
  readonly call?: string;
  readonly why: string;
}

/** The plan a person's word makes; what cannot be done is refused with the reason. Nothing is stored. */
export async function planFor(desk: Desk, wish: PersonsWish): Promise<Result<Proposal>> {
  const { vm, alarm, action, by, evidence, lifts, snapshot, call, why } = wish;
  const able = await freshAbilities(desk, vm);
  const nowMs = desk.clock.now();
  const found = alarm?.finding == null ? null : causeOfFinding(alarm.finding, alarm.id);
  const cause: PlanCause = {
    vm,
    alarm: alarm?.id ?? null,
    group: alarm?.group ?? null,
    atMs: nowMs,
    seed: desk.newId(),
    why,
    activity: found?.activity ?? null,
    by,
    origin: 'person',
  };
  const terms = {
    consent: 'automatic',
    deadlineMinutes: 60,
    unanswered: 'deny',
    dryRun: false,
    attemptsMax: 1,
  } as const;
  const wanted: Wanted = { action, by: 'person', atMs: nowMs, consent: 'automatic', expiresMinutes: null, evidence };
  const named = {
    ...(lifts === undefined ? {} : { lifts }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(call === undefined ? {} : { call }),
  };
  const asked = mergeWanted([{ ...wanted, ...named }], []);
  return await desk.store.read(async (db) => {
    const ground = { ...(await groundFor(db, vm, able.ok ? able.value : null, nowMs)), calls: desk.calls.known };
    // A policy of trying out is about what rules do.
    return makePlan(cause, asked, { ...ground, policy: { ...ground.policy, dryRun: false } }, terms, nowMs);
  });
}

/** What the rules would do about an alarm now, and why; or what an action would, when one is named. Changes nothing. */
export async function previewPlans(
  desk: Desk,
  id: string,
  asked: { readonly action: PlannedAction; readonly call?: string } | null,
  by: string,
): Promise<Result<PlanPreview>> {
  const found = await look(desk, async (db) => await theAlarm(db, id));
  if (!found.ok) return found;
  const alarm = found.value;
  if (asked !== null) {
    const wish = { vm: alarm.vm, alarm, ...asked, by, evidence: 'first', why: `alarm ${id}: ${alarm.title}` } as const;
    return await previewWish(desk, wish);
  }
  const able = await freshAbilities(desk, alarm.vm);
  const { finding } = alarm;
  if (finding === null) return ok(previewOf(alarm.id, []));
  const nowMs = desk.clock.now();
  const proposals = await desk.store.read(async (db) => {
    const member = await memberOfVm(db, alarm.vm);
    const scope = member === null ? null : await scopeNamed(db, member.scope);
    const rules = scope?.services.find((service) => service.name === member?.service)?.rules ?? [];
    const ground = { ...(await groundFor(db, alarm.vm, able.ok ? able.value : null, nowMs)), calls: desk.calls.known };
    return (['automatic', 'approval'] as const).flatMap((consent) =>
      plansForFinding(finding, rules, { alarm: alarm.id, ground, nowMs, consent }),
    );
  });
  return proposals.ok ? ok(previewOf(alarm.id, proposals.value)) : proposals;
}

/** What a person's word would do now, and why. Changes nothing. */
export async function previewWish(desk: Desk, wish: PersonsWish): Promise<Result<PlanPreview>> {
  const made = await planFor(desk, wish);
  return made.ok ? ok(previewOf(wish.alarm?.id ?? null, [made.value])) : made;
}

function previewOf(alarm: string | null, proposals: readonly Proposal[]): PlanPreview {
  return { alarm, proposals: proposals.map(({ plan, decisions }) => ({ plan, decisions: [...decisions] })) };
}

export async function thePlan(db: Db, id: string): Promise<Result<PlanRun>> {
  const run = await planRunById(db, id);
  return run === null ? fail(problem('not-found', `There is no plan ${id}.`, 'See `plumbline plans`.')) : ok(run);
}

/** A person agrees or refuses; only what still waits can be answered. */
export async function decidePlan(
  desk: Desk,
  id: string,
  kind: 'approved' | 'denied',
  by: string,
): Promise<Result<PlanRun>> {
  const act = { by, verb: kind === 'approved' ? 'plan.approve' : 'plan.deny', subject: id };
  return await change(desk, act, async (turn) => {
    const found = await thePlan(turn.db, id);
    if (!found.ok) return found;
    if (found.value.state !== 'waiting-approval')
      return fail(problem('refused', `Plan ${id} is ${found.value.state}; it waits for nobody.`));
    return await move(desk, turn, found.value, { kind, by, atMs: desk.clock.now() });
  });
}

/** Takes back a whole plan, or one remediation. The answer is the plan that is being taken back, or that takes it back. */
export async function undo(desk: Desk, id: string, by: string): Promise<Result<PlanRun>> {
  const run = await desk.store.read(async (db) => await planRunById(db, id));
  if (!run.ok) return run;
  return run.value === null ? await undoRemediation(desk, id, by) : await undoPlan(desk, id, by);
}

async function undoPlan(desk: Desk, id: string, by: string): Promise<Result<PlanRun>> {
  return await change(desk, { by, verb: 'plan.undo', subject: id }, async (turn) => {
    const found = await thePlan(turn.db, id);
    if (!found.ok) return found;
    const { state, plan } = found.value;
    if (!isCarriedOut(state) && state !== 'executing')
      return fail(problem('refused', `Plan ${id} is ${state}; there is nothing to take back.`));
    if (plan.steps.every((step) => step.undo === null))
      return fail(problem('refused', `Nothing of plan ${id} can be taken back.`, 'Act on the VM by hand.'));
    return await move(desk, turn, found.value, { kind: 'undo-asked', by, atMs: desk.clock.now() });
  });
}

async function undoRemediation(desk: Desk, id: string, by: string): Promise<Result<PlanRun>> {
  const found = await theRemediation(desk, id);
  if (!found.ok) return found;
  const { step, alarm } = found.value;
  const action = plannedActions.find((it) => it === step.undo);
  if (action === undefined)
    return fail(problem('refused', `A ${step.action} cannot be taken back.`, 'Act on the VM by hand.'));
  const of = alarm === null ? null : await look(desk, async (db) => await theAlarm(db, alarm));
  const wish = {
    vm: step.vm,
    alarm: of?.ok === true ? of.value : null,
    action,
    by,
    evidence: 'first',
    why: `${by} takes back ${step.action}, remediation ${id}`,
    ...(action === 'lift' || action === 'undo-re-image' ? { lifts: measureKey(step) } : {}),
  } as const;
  return await adoptWish(desk, wish);
}

/** Makes, stores and begins the plan of a person's word. */
export async function adoptWish(desk: Desk, wish: PersonsWish): Promise<Result<PlanRun>> {
  const made = await planFor(desk, wish);
  if (!made.ok) return made;
  const { plan, decisions } = made.value;
  if (plan === null)
    return fail(
      problem(
        'refused',
        `${wish.action} is not done: ${decisions.map(({ why }) => why).join('; ')}.`,
        'Choose another.',
      ),
    );
  return await change(desk, { by: wish.by, verb: 'plan.begin', subject: plan.id, silent: true }, async (turn) =>
    ok(await adoptPlan(turn, plan)),
  );
}

async function move(desk: Desk, turn: Turn, run: PlanRun, event: PlanEvent): Promise<Result<PlanRun>> {
  const next = advance(run, event);
  await storeRun({ unconfirmed: async (at, of) => await raiseUnconfirmed(desk, at, of) }, turn, run, next);
  return ok(next);
}

async function look<T>(desk: Desk, work: (db: Db) => Promise<Result<T>>): Promise<Result<T>> {
  const read = await desk.store.read(work);
  return read.ok ? read.value : read;
}

/** Which remediation of a plan did this action. */
export async function remediationIn(db: Db, run: PlanRun, action: PlannedAction) {
  const index = run.plan.steps.findIndex((step) => step.action === action);
  const id = run.steps[index]?.remediation ?? null;
  return id === null ? null : await remediationById(db, id);
}
