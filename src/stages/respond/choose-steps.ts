// What of the wishes is done, and by which action: what the host can do, what is in force already, what the policy forbids, and
// evidence before anything is destroyed.
import type { Decision } from '../../model/plan.ts';
import type { NetworkMeasure } from '../../model/network-measure.ts';
import { networkActions, type PlannedAction } from '../../model/remediation.ts';
import { actionTraits } from './action-traits.data.ts';
import { type InForce, isSame } from './in-force.ts';
import type { Ground, PlanCause } from './make-plan.ts';
import { type MeasureFound, measureFor } from './measures.ts';
import { byOrder, covers, type Wanted } from './wanted.ts';

export interface Chosen {
  readonly wanted: Wanted;
  readonly action: PlannedAction;
  readonly measure: NetworkMeasure | null;
  /** It stands in for something and does more to the VM than that would have. */
  readonly escalates: boolean;
  /** Why it stands in for what was asked for; null = it does not. */
  readonly replaces: string | null;
}

type Verdict =
  | { readonly chosen: Chosen; readonly why: string }
  | { readonly chosen: null; readonly decision: Decision };

export function chooseSteps(
  cause: PlanCause,
  wanted: readonly Wanted[],
  ground: Ground,
): { readonly chosen: readonly Chosen[]; readonly decisions: readonly Decision[] } {
  const decisions: Decision[] = [];
  const kept: Chosen[] = [];
  for (const wish of wanted) {
    const verdict = judge(wish, cause, ground);
    if (verdict.chosen === null) decisions.push(verdict.decision);
    else {
      const { chosen, why } = verdict;
      decisions.push({ action: wish.action, verdict: chosen.action === wish.action ? 'chosen' : 'replaced', why });
      if (!kept.some((one) => isSameThing(one, chosen))) kept.push(chosen);
    }
  }
  const chosen = kept.filter((one) => {
    const stronger = kept.find((other) => covers(other.action, one.action));
    if (stronger !== undefined)
      decisions.push({
        action: one.action,
        verdict: 'covered',
        why: `${stronger.action} of the same plan does it as well`,
      });
    return stronger === undefined;
  });
  return { chosen: [...chosen, ...evidenceFirst(chosen, ground, decisions)].toSorted(byOrder), decisions };
}

function isSameThing(one: Chosen, other: Chosen): boolean {
  return one.action === other.action && one.action !== 'lift' && one.wanted.call === other.wanted.call;
}

function judge(wanted: Wanted, cause: PlanCause, ground: Ground): Verdict {
  const { action } = wanted;
  if (action === 'call') return judgeCall(wanted, wanted.call ?? '', ground);
  const overruled = personsWord(wanted, cause, ground);
  if (overruled !== null) return { chosen: null, decision: { action, verdict: 'left-out', why: overruled } };
  const obstacles: string[] = [];
  // A person who is told that it cannot be done chooses again himself.
  const instead = wanted.by === 'person' ? [] : actionTraits[action].instead;
  for (const candidate of [action, ...instead]) {
    const found = candidateFor(candidate, wanted, cause, ground);
    if ('covered' in found) return { chosen: null, decision: { action, verdict: 'covered', why: found.covered } };
    if ('forbidden' in found) return { chosen: null, decision: { action, verdict: 'left-out', why: found.forbidden } };
    if ('obstacle' in found) {
      obstacles.push(`${candidate}: ${found.obstacle}`);
      continue;
    }
    const escalates = actionTraits[candidate].disruptive && !actionTraits[action].disruptive;
    const unknown = ground.abilities === null ? '; what its host can do is not known now' : '';
    const why = obstacles.length === 0 ? `asked for${unknown}` : `${candidate} instead (${obstacles.join('; ')})`;
    const replaces = obstacles.length === 0 ? null : why;
    const said = `${why}${byWhom(candidate, ground)}`;
    return { chosen: { wanted, action: candidate, measure: found.measure, escalates, replaces }, why: said };
  }
  return {
    chosen: null,
    decision: { action, verdict: 'left-out', why: `nothing here can do it: ${obstacles.join('; ')}` },
  };
}

/** Its host has no say in it: the manager calls. */
function judgeCall(wanted: Wanted, name: string, { calls = [] }: Ground): Verdict {
  const { action } = wanted;
  if (calls.some((one) => one.name === name))
    return { chosen: { wanted, action, measure: null, escalates: false, replaces: null }, why: `${name} is asked for` };
  const why = `no call ${name} is in the manager's configuration`;
  return { chosen: null, decision: { action, verdict: 'left-out', why } };
}

/** Who does it, where several could or only one can. */
function byWhom(action: PlannedAction, { abilities }: Ground): string {
  const ability = abilities?.find((one) => one.action === action);
  if (ability?.by === undefined) return '';
  return `; by ${ability.by}${ability.why === null ? '' : ` (${ability.why})`}`;
}

type Candidate =
  | { readonly measure: NetworkMeasure | null }
  | { readonly obstacle: string }
  | { readonly forbidden: string }
  | { readonly covered: string };

function candidateFor(action: PlannedAction, wanted: Wanted, cause: PlanCause, ground: Ground): Candidate {
  if (actionTraits[action].disruptive && ground.policy.protectedVms?.includes(cause.vm) === true)
    return { forbidden: 'the policy protects this VM from being isolated or stopped' };
  if (action === 'revert' && wanted.snapshot === undefined)
    return { obstacle: 'which of its snapshots to go back to was not said' };
  if (action === 're-image' && ground.policy.goldenImage === undefined)
    return { obstacle: 'the response policy of its service names no goldenImage to start it from' };
  const measure = measureOf(action, wanted, cause, ground);
  if (measure !== null && measure.measure === null)
    return measure.isProtected === true ? { forbidden: measure.why } : { obstacle: measure.why };
  const already = ground.answered.inForce.find((one) => holdsAlready(one, action, measure?.measure ?? null));
  if (already !== undefined)
    return { covered: `${already.action} is in force since ${new Date(already.atMs).toISOString()}` };
  const ability = ground.abilities?.find((one) => one.action === action);
  // Whoever could put it into force can take it back.
  if (action !== 'lift' && ground.abilities !== null && ability?.available !== true)
    return { obstacle: ability?.why ?? 'its host offers nothing of the kind' };
  return { measure: measure?.measure ?? null };
}

/** Null = no matter for a switch. */
function measureOf(action: PlannedAction, wanted: Wanted, cause: PlanCause, ground: Ground): MeasureFound | null {
  const network = networkActions.find((it) => it === action);
  if (network === undefined) return null;
  const minutes = wanted.expiresMinutes ?? actionTraits[action].expiresMinutes ?? 60;
  return measureFor(network, cause.activity, ground.policy, cause.atMs + minutes * 60_000);
}

/** Only what a switch keeps and is read back: a VM that was suspended may have been resumed by somebody else. */
function holdsAlready({ action, measure }: InForce, wanted: PlannedAction, asked: NetworkMeasure | null): boolean {
  if (measure === null || asked === null) return false;
  if (covers(action, wanted)) return true;
  return action === wanted && isSame(measure, asked);
}

/** A person's word that is newer than what a rule answers stands. */
function personsWord({ action, by }: Wanted, cause: PlanCause, { answered }: Ground): string | null {
  if (by === 'person') return null;
  const undone = answered.lifted.find((one) => one.action === action && one.atMs > cause.atMs);
  if (undone !== undefined) return `a person took ${action} back after this was seen`;
  const { reverses } = actionTraits[action];
  const suspended = answered.inForce.find((one) => one.action === reverses && one.by === 'person');
  return suspended === undefined ? null : `a person ordered ${suspended.action}, which no rule takes back`;
}

/** What keeps evidence as it was asked for, and what does where that cannot be: each holds what was in memory. */
const evidenceActions = { first: ['snapshot', 'memory-dump'], memory: ['memory-dump', 'snapshot'] } as const;

function evidenceFirst(chosen: readonly Chosen[], ground: Ground, decisions: Decision[]): Chosen[] {
  const destroying = chosen.find((one) => actionTraits[one.action].destroys);
  if (destroying === undefined) return [];
  const { evidence } = destroying.wanted;
  const before = `before ${destroying.action}`;
  if (evidence === 'none') {
    const why = `the rule says that ${destroying.action} keeps no evidence first`;
    if (!chosen.some(isEvidence)) decisions.push({ action: 'snapshot', verdict: 'left-out', why });
    return [];
  }
  const obstacles: string[] = [];
  for (const action of evidenceActions[evidence]) {
    if (chosen.some((one) => one.action === action)) return [];
    const ability = ground.abilities?.find((one) => one.action === action);
    if (ground.abilities !== null && ability?.available !== true) {
      obstacles.push(`${action}: ${ability?.why ?? 'its host makes none'}`);
      continue;
    }
    const said = obstacles.length === 0 ? '' : ` (${obstacles.join('; ')})`;
    decisions.push({ action, verdict: 'chosen', why: `evidence ${before} destroys it${said}` });
    return [{ wanted: destroying.wanted, action, measure: null, escalates: false, replaces: null }];
  }
  const why = `no evidence can be kept ${before}: ${obstacles.join('; ')}`;
  decisions.push({ action: evidenceActions[evidence][0], verdict: 'left-out', why });
  return [];
}

function isEvidence({ action }: Chosen): boolean {
  return action === 'snapshot' || action === 'memory-dump';
}
