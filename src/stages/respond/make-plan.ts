// From what is wanted to a plan: exact steps in their order, with the reason for each that was chosen, replaced or left out, and
// whether a person has to agree. Time and everything that is true of the VM come in.
import type { Ability, Decision, Plan } from '../../model/plan.ts';
import type { Activity } from '../../model/observation.ts';
import type { Step } from '../../model/remediation.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import type { Rule } from '../../model/rule.ts';
import { digest } from '../../pattern/digest.ts';
import { actionTraits } from './action-traits.data.ts';
import { type Disruption, limitsOf, radiusObjection, type Standing } from './blast-radius.ts';
import { chooseSteps, type Chosen } from './choose-steps.ts';
import { isWithin } from './hours.ts';
import type { Answered } from './in-force.ts';
import { callStep, type KnownCall, measureStep, reimageStep, revertStep, stepFor } from './steps.ts';
import type { Wanted } from './wanted.ts';

export interface PlanCause {
  readonly vm: string;
  readonly alarm: string | null;
  readonly group: string | null;
  readonly atMs: number;
  /** The same seed and the same wishes give the same plan. */
  readonly seed: string;
  readonly why: string;
  /** What was found; null = nothing that has a peer. */
  readonly activity: Activity | null;
  /** The person who asks, or `rules`. */
  readonly by: string;
  readonly origin: Plan['origin'];
}

/** What is true of the VM and its service now. */
export interface Ground {
  readonly policy: ResponsePolicy;
  /** Null = its host cannot be asked now. */
  readonly abilities: readonly Ability[] | null;
  readonly answered: Answered;
  /** Null = it is in no service. */
  readonly standing: Standing | null;
  readonly recent: readonly Disruption[];
  /** The calls that are configured; absent = whoever plans makes none. */
  readonly calls?: readonly KnownCall[];
}

export interface Terms {
  readonly consent: Rule['approval'];
  readonly deadlineMinutes: number;
  readonly unanswered: Plan['unanswered'];
  readonly dryRun: boolean;
  readonly attemptsMax: number;
}

/** `plan` null = nothing is to be done; the decisions say why. */
export interface Proposal {
  readonly plan: Plan | null;
  readonly decisions: readonly Decision[];
}

const minuteMs = 60_000;
const decisionsMax = 64;
const stepsMax = 16;

export function makePlan(
  cause: PlanCause,
  wanted: readonly Wanted[],
  ground: Ground,
  terms: Terms,
  nowMs: number,
): Proposal {
  const { chosen, decisions: all } = chooseSteps(cause, wanted, ground);
  const decisions = all.slice(0, decisionsMax).map((one) => ({ ...one, why: one.why.slice(0, 1000).toWellFormed() }));
  if (chosen.length === 0) return { plan: null, decisions };
  const actsAlone = terms.consent === 'automatic' && cause.origin === 'rule';
  const objections = actsAlone ? objectionsTo(cause.vm, chosen, ground, nowMs) : [];
  const asksPerson = terms.consent === 'approval' || objections.length > 0;
  const deadlineMs = nowMs + terms.deadlineMinutes * minuteMs;
  const steps = chosen.slice(0, stepsMax).map((one) => stepOf(one, cause, ground));
  const plan: Plan = {
    id: digest(['plan', cause.vm, cause.seed, terms.dryRun, ...wanted.map(nameOf)].join('\n')),
    vm: cause.vm,
    alarm: cause.alarm,
    group: cause.group,
    by: cause.by,
    origin: cause.origin,
    why: cause.why.slice(0, 1000).toWellFormed(),
    steps,
    decisions,
    consent: asksPerson ? 'approval' : 'automatic',
    objections,
    deadline: asksPerson ? new Date(deadlineMs).toISOString() : null,
    // What a limit holds back is never done because nobody answered.
    unanswered: objections.length > 0 ? 'deny' : terms.unanswered,
    dryRun: terms.dryRun || ground.policy.dryRun === true,
    expiresMinutes: expiryOf(chosen),
    attemptsMax: terms.attemptsMax,
    madeAt: new Date(nowMs).toISOString(),
  };
  return { plan, decisions };
}

/** What is wished names the plan, not what is chosen for it: what a host can do may change while a person is asked. */
function nameOf({ action, lifts, consent, call }: Wanted): string {
  return `${action} ${lifts ?? ''} ${consent}${call === undefined ? '' : ` ${call}`}`;
}

/** Why what a rule would do at once has to wait for a person after all. */
function objectionsTo(vm: string, chosen: readonly Chosen[], ground: Ground, nowMs: number): string[] {
  const { policy, standing, recent } = ground;
  const disrupts = chosen.some((one) => actionTraits[one.action].disruptive);
  const radius = disrupts && standing !== null ? radiusObjection(vm, standing, recent, limitsOf(policy), nowMs) : null;
  return [
    ...(isWithin(policy.maintenance ?? [], nowMs) ? ['these are hours of maintenance'] : []),
    ...(disrupts && isWithin(policy.quiet ?? [], nowMs) ? ['these are quiet hours'] : []),
    ...(radius === null ? [] : [radius]),
    ...chosen.flatMap((one) => (one.escalates ? [`${one.action} does more than ${one.wanted.action} would`] : [])),
  ].map((one) => one.slice(0, 500));
}

/** Undone as a whole, when the last of its steps may be; null when one of them is to stay. A call has nothing that would end. */
function expiryOf(chosen: readonly Chosen[]): number | null {
  const lasting = chosen.filter((one) => actionTraits[one.action].phase !== 'tell');
  const minutes = lasting.map((one) => one.wanted.expiresMinutes);
  return (
    minutes.reduce((longest, one) => (longest === null || one === null ? null : Math.max(longest, one)), 0) || null
  );
}

function stepOf(
  { action, measure, wanted, replaces }: Chosen,
  cause: PlanCause,
  { calls = [], policy: { goldenImage: image } }: Ground,
): Step {
  const { vm, seed } = cause;
  const why = replaces === null ? cause.why : `${cause.why}; ${replaces}`;
  const known = calls.find(({ name }) => name === wanted.call);
  // An alarm is told once, whichever of its findings or manifests asked for it.
  if (known !== undefined)
    return callStep(known, vm, why, cause.origin === 'rule' ? `${cause.group} ${cause.alarm}` : seed);
  if (measure !== null) return measureStep(measure, vm, why, seed);
  if (action === 'revert') return revertStep(wanted.snapshot ?? '', vm, why, seed);
  if (action === 're-image') return reimageStep(image ?? '', vm, why, seed);
  const step = stepFor(action, vm, why, wanted.lifts === undefined ? seed : `${seed} ${wanted.lifts}`);
  return wanted.lifts === undefined ? step : { ...step, lifts: wanted.lifts };
}
