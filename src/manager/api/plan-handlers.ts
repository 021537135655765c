// What the endpoints about plans do.
import { fail } from '../../kit/result.ts';
import { problem } from '../../kit/problem.ts';
import { plannedActions } from '../../model/remediation.ts';
import { decidePlan, previewPlans, thePlan, undo } from '../broker/plans.ts';
import { respondToAlarm } from '../broker/respond.ts';
import type { Desk } from '../desk.ts';
import { vmIdOf } from '../intent/references.ts';
import { listPlanRuns } from '../store/plans.ts';
import type { Handlers } from './handlers.ts';

type PlanHandlers = Pick<
  Handlers,
  'listPlans' | 'getPlan' | 'previewPlan' | 'approvePlan' | 'denyPlan' | 'undo' | 'respondToAlarm'
>;

const pageDefault = 100;
const noAct = problem(
  'usage',
  'An alarm has been raised already.',
  `Choose one of ${plannedActions.filter((action) => action !== 'lift').join(', ')}.`,
);

export function planHandlers(desk: Desk): PlanHandlers {
  return {
    listPlans: async ({ vm, limit = pageDefault, ...filter }) => {
      const id = vm === undefined ? undefined : await desk.store.read(async (db) => await vmIdOf(db, vm));
      if (id !== undefined && !id.ok) return id;
      if (id?.value.ok === false) return id.value;
      const of = id?.value.ok === true ? { vm: id.value.value } : {};
      return await desk.store.read(async (db) => await listPlanRuns(db, { ...filter, ...of, limit }));
    },
    getPlan: async ({ plan }) => {
      const read = await desk.store.read(async (db) => await thePlan(db, plan));
      return read.ok ? read.value : read;
    },
    previewPlan: async ({ alarm, action }, by) =>
      action === 'alert' ? fail(noAct) : await previewPlans(desk, alarm, action, by),
    approvePlan: async ({ plan }, by) => await decidePlan(desk, plan, 'approved', by),
    denyPlan: async ({ plan }, by) => await decidePlan(desk, plan, 'denied', by),
    undo: async ({ answer }, by) => await undo(desk, answer, by),
    respondToAlarm: async ({ alarm, action, evidence = 'first' }, by) =>
      action === 'alert' ? fail(noAct) : await respondToAlarm(desk, { alarm, action, evidence, by }),
  };
}
