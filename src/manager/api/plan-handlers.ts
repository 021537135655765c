// What the endpoints about plans do.
import { fail, ok, type Result } from '../../kit/result.ts';
import { problem } from '../../kit/problem.ts';
import { type PersonsAction } from '../../model/plan-endpoints.ts';
import { plannedActions } from '../../model/remediation.ts';
import { listCalls } from '../broker/configured-calls.ts';
import { decidePlan, previewPlans, thePlan, undo } from '../broker/plans.ts';
import { respondToAlarm } from '../broker/respond.ts';
import type { Desk } from '../desk.ts';
import { vmIdOf } from '../intent/references.ts';
import { listPlanRuns } from '../store/plans.ts';
import type { Handlers } from './handlers.ts';

type PlanHandlers = Pick<
  Handlers,
  'listPlans' | 'getPlan' | 'previewPlan' | 'approvePlan' | 'denyPlan' | 'undo' | 'respondToAlarm' | 'listCalls'
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
    previewPlan: async ({ alarm, action, call }, by) => {
      if (action === undefined) return await previewPlans(desk, alarm, null, by);
      const asked = askedFor(action, call);
      return asked.ok ? await previewPlans(desk, alarm, asked.value, by) : asked;
    },
    approvePlan: async ({ plan }, by) => await decidePlan(desk, plan, 'approved', by),
    denyPlan: async ({ plan }, by) => await decidePlan(desk, plan, 'denied', by),
    undo: async ({ answer }, by) => await undo(desk, answer, by),
    respondToAlarm: async ({ alarm, action, call, evidence = 'first', snapshot }, by) => {
      const asked = askedFor(action, call);
      return asked.ok ? await respondToAlarm(desk, { alarm, ...asked.value, evidence, snapshot, by }) : asked;
    },
    listCalls: async () => ok(await listCalls(desk.calls)),
  };
}

type Asked = { readonly action: Exclude<PersonsAction, 'alert'>; readonly call?: string };

function askedFor(action: PersonsAction, call: string | undefined): Result<Asked> {
  if (action === 'alert') return fail(noAct);
  if ((action === 'call') === (call !== undefined)) return ok({ action, ...(call === undefined ? {} : { call }) });
  return fail(problem('usage', 'The action call and the name of a call belong together.', 'See `plumbline calls`.'));
}
