// A plan of given actions on one VM, for tests that care what becomes of it and not what it was made from.
import type { NetworkMeasure } from '../model/network-measure.ts';
import type { Plan } from '../model/plan.ts';
import type { Action } from '../model/remediation.ts';
import { measureStep, stepFor } from '../stages/respond/steps.ts';
import { at, vmId } from './simulated-activity.ts';

const measures: Readonly<Record<'quarantine' | 'capture', NetworkMeasure>> = {
  quarantine: { kind: 'quarantine', management: [] },
  capture: { kind: 'capture', seconds: 60, bytes: 4096 },
};

export function planOf(actions: readonly Action[], rest: Partial<Plan> = {}): Plan {
  const vm = rest.vm ?? vmId(1);
  const steps = actions.map((action) =>
    action === 'quarantine' || action === 'capture'
      ? measureStep(measures[action], vm, 'w', 's')
      : stepFor(action, vm, 'w', 's'),
  );
  return {
    id: 'plan',
    vm,
    alarm: null,
    group: null,
    by: 'rules',
    origin: 'rule',
    why: 'w',
    steps,
    decisions: [],
    consent: 'automatic',
    objections: [],
    deadline: null,
    unanswered: 'deny',
    dryRun: false,
    expiresMinutes: null,
    attemptsMax: 3,
    madeAt: at(0),
    ...rest,
  };
}
