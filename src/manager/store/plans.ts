// Plans and how far each has come.
import { type PlanRun, type PlanState } from '../../model/plan.ts';
import { isCarriedOut } from '../../stages/respond/plan-run.ts';
import { asDoc, fromDoc } from './doc.ts';
import { pageFrom, isBehind, type Page } from './paging.ts';
import type { Db } from './tables.ts';

export async function savePlanRun(db: Db, run: PlanRun): Promise<void> {
  const { plan, state } = run;
  const row = {
    vm: plan.vm,
    alarm: plan.alarm,
    state,
    isOpen: Number(isOpen(run)),
    madeAt: plan.madeAt,
    doc: asDoc(run),
  };
  await db
    .insertInto('plans')
    .values({ id: plan.id, ...row })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute();
}

/** Something may still happen to it by itself. */
function isOpen({ state, expiresAt }: PlanRun): boolean {
  return (
    state === 'waiting-approval' ||
    state === 'executing' ||
    state === 'undoing' ||
    (isCarriedOut(state) && expiresAt !== null)
  );
}

export async function planRunById(db: Db, id: string): Promise<PlanRun | null> {
  const row = await db.selectFrom('plans').select('doc').where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : fromDoc(row.doc);
}

/** Oldest first. */
export async function openPlanRuns(db: Db, vm?: string): Promise<PlanRun[]> {
  let query = db.selectFrom('plans').select('doc').where('isOpen', '=', 1);
  if (vm !== undefined) query = query.where('vm', '=', vm);
  const rows = await query.orderBy('madeAt').orderBy('id').execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function planRunsOfAlarm(db: Db, alarm: string): Promise<PlanRun[]> {
  const rows = await db
    .selectFrom('plans')
    .select('doc')
    .where('alarm', '=', alarm)
    .orderBy('madeAt')
    .orderBy('id')
    .execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function listPlanRuns(
  db: Db,
  filter: { readonly vm?: string; readonly state?: PlanState; readonly limit: number; readonly after?: string },
): Promise<Page<PlanRun>> {
  let query = db.selectFrom('plans');
  if (filter.vm !== undefined) query = query.where('vm', '=', filter.vm);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  const counted = await query.select((eb) => eb.fn.countAll().as('total')).executeTakeFirstOrThrow();
  const rows = await query
    .where(isBehind('madeAt', filter.after))
    .select(['id', 'madeAt', 'doc'])
    .orderBy('madeAt', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  return pageFrom(rows, filter.limit, counted.total, { at: (row) => row.madeAt, item: (row) => fromDoc(row.doc) });
}
