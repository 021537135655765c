// What answers have made true of a VM and nobody has taken back since, read from its remediations.
import type { NetworkMeasure } from '../../model/network-measure.ts';
import type { Plan } from '../../model/plan.ts';
import { type PlannedAction, plannedActions, type Remediation, type Step } from '../../model/remediation.ts';
import { actionTraits } from './action-traits.data.ts';
import { measureKey } from './steps.ts';

export interface InForce {
  readonly action: PlannedAction;
  readonly by: 'rule' | 'person';
  readonly atMs: number;
  /** The name a switch keeps it under; of what no switch keeps, the remediation's id. */
  readonly key: string;
  readonly measure: NetworkMeasure | null;
}

/** A person's word that took something back. */
export interface Lifted {
  readonly action: PlannedAction;
  readonly atMs: number;
}

export interface Answered {
  readonly inForce: readonly InForce[];
  readonly lifted: readonly Lifted[];
}

/** `remediations` of one VM in any order; only those that were done count, and a measure that has run out does not. */
export function answeredBy(remediations: readonly Remediation[], nowMs: number): Answered {
  const inForce = new Map<string, InForce>();
  const lifted: Lifted[] = [];
  const done = remediations
    .filter(({ state }) => state === 'done')
    .toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : Number(a.startedAt > b.startedAt)));
  for (const { step, origin, startedAt } of done) {
    const action = plannedActions.find((it) => it === step.action);
    if (action === undefined) continue;
    const said = { by: origin === 'person' ? 'person' : 'rule', atMs: Date.parse(startedAt) } as const;
    const { phase, reverses } = actionTraits[action];
    if (phase === 'lift') {
      const ended = [...inForce.values()].filter((one) => one.action === reverses || one.key === step.lifts);
      for (const one of ended) inForce.delete(one.key);
      const what = reverses ?? ended[0]?.action;
      if (what !== undefined && said.by === 'person') lifted.push({ action: what, atMs: said.atMs });
    } else if (phase !== 'collect' && phase !== 'tell' && !hasRunOut(step.measure, nowMs))
      inForce.set(measureKey(step), { action, ...said, key: measureKey(step), measure: step.measure ?? null });
  }
  return { inForce: [...inForce.values()], lifted };
}

function hasRunOut(measure: NetworkMeasure | undefined, nowMs: number): boolean {
  return measure?.kind === 'block-flow' && Date.parse(measure.expiresAt) <= nowMs;
}

/** Why a step of a rule's plan that was made earlier need not, or may not, be taken any more; null = it is to be taken. */
export function overtaken(step: Step, plan: Pick<Plan, 'origin' | 'madeAt'>, answered: Answered): string | null {
  const { measure } = step;
  const same = answered.inForce.find(
    (one) => one.measure !== null && measure !== undefined && (isSame(one.measure, measure) || isCovered(one, step)),
  );
  if (same !== undefined) return `${same.action} is in force since ${new Date(same.atMs).toISOString()}`;
  if (plan.origin === 'person') return null;
  const lifted = answered.lifted.find((one) => one.action === step.action && one.atMs > Date.parse(plan.madeAt));
  return lifted === undefined ? null : `a person took ${step.action} back since`;
}

export function isSame(a: NetworkMeasure, b: NetworkMeasure): boolean {
  const text = (measure: NetworkMeasure) => JSON.stringify({ ...measure, expiresAt: '' });
  return text(a) === text(b);
}

function isCovered({ action }: InForce, step: Step): boolean {
  return plannedActions.some((it) => it === step.action && actionTraits[action].covers.includes(it));
}
