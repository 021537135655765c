// Changes with what they admitted, and what people decided about entries that wait.
import type { ChangeCause, ChangeWindow } from '../../model/change.ts';
import type { EntryDecision, EntryVerdict } from '../../model/held-entry.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db, Tables } from './tables.ts';

/** Of each service so many changes are kept; the oldest leave first, with what they admitted. */
const changesKept = 500;
/** Behaviours kept of one change; an upgrade of a whole system brings some hundreds. */
const behavioursKept = 2000;

export interface StoredChange {
  readonly window: ChangeWindow;
  readonly scope: string;
  readonly service: string;
  /** Null = for all members of the service. */
  readonly vm: string | null;
  readonly by: string;
  readonly closed: { readonly by: string; readonly at: string } | null;
  readonly notKept: number;
}

/** What the window of a change admitted, its repetitions counted. */
export interface AdmittedBehaviour {
  readonly behaviour: Behaviour;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly members: readonly string[];
  /** The highest risk it was rated at. */
  readonly risk: number;
}

export async function saveChange(db: Db, change: Omit<StoredChange, 'closed' | 'notKept'>): Promise<void> {
  const { window, scope, service, vm, by } = change;
  const doc = asDoc(window);
  await db
    .insertInto('changes')
    .values({
      id: window.id,
      scope,
      service,
      vm: vm ?? '',
      cause: window.cause,
      by,
      fromAt: window.from,
      until: window.until,
      closedBy: null,
      closedAt: null,
      notKept: 0,
      doc,
    })
    .onConflict((on) => on.column('id').doUpdateSet({ until: window.until, doc }))
    .execute();
  const oldest = await db
    .selectFrom('changes')
    .select('fromAt')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('fromAt', 'desc')
    .offset(changesKept)
    .limit(1)
    .executeTakeFirst();
  if (oldest === undefined) return;
  const gone = db.selectFrom('changes').select('id').where('scope', '=', scope).where('service', '=', service);
  await db
    .deleteFrom('changes')
    .where('id', 'in', gone.where('fromAt', '<=', oldest.fromAt))
    .execute();
}

export async function changeById(db: Db, id: string): Promise<StoredChange | null> {
  const row = await db.selectFrom('changes').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : toChange(row);
}

export interface ChangeFilter {
  readonly scope?: string;
  readonly service?: string;
  /** Changes that hold for this VM: its own, and those of its whole service when that is named. */
  readonly vm?: string;
  readonly cause?: ChangeCause;
  /** Those whose time is not over at this moment. */
  readonly openAt?: string;
  readonly limit: number;
}

/** Latest first. */
export async function listChanges(db: Db, filter: ChangeFilter): Promise<StoredChange[]> {
  const { scope, service, vm, cause, openAt, limit } = filter;
  let query = db.selectFrom('changes').selectAll();
  if (scope !== undefined) query = query.where('scope', '=', scope);
  if (service !== undefined) query = query.where('service', '=', service);
  if (vm !== undefined) query = query.where('vm', 'in', ['', vm]);
  if (cause !== undefined) query = query.where('cause', '=', cause);
  if (openAt !== undefined) query = query.where('closedAt', 'is', null).where('until', '>', openAt);
  const rows = await query.orderBy('fromAt', 'desc').orderBy('id').limit(limit).execute();
  return rows.map(toChange);
}

export async function countOpenChanges(db: Db, nowIso: string): Promise<number> {
  const { open } = await db
    .selectFrom('changes')
    .select((eb) => eb.fn.countAll().as('open'))
    .where('closedAt', 'is', null)
    .where('until', '>', nowIso)
    .executeTakeFirstOrThrow();
  return Number(open);
}

export async function saveClosed(db: Db, id: string, by: string, at: string): Promise<void> {
  await db.updateTable('changes').set({ closedBy: by, closedAt: at }).where('id', '=', id).execute();
}

/** False = the change has its fill, which is counted. */
export async function keepAdmitted(db: Db, change: string, entry: string, seen: AdmittedBehaviour): Promise<boolean> {
  const known = await db
    .selectFrom('admitted')
    .select('doc')
    .where('change', '=', change)
    .where('entry', '=', entry)
    .executeTakeFirst();
  if (known === undefined) {
    const { kept } = await db
      .selectFrom('admitted')
      .select((eb) => eb.fn.countAll().as('kept'))
      .where('change', '=', change)
      .executeTakeFirstOrThrow();
    if (Number(kept) >= behavioursKept) {
      await db
        .updateTable('changes')
        .set((eb) => ({ notKept: eb('notKept', '+', 1) }))
        .where('id', '=', change)
        .execute();
      return false;
    }
  }
  const doc = asDoc(known === undefined ? seen : together(fromDoc(known.doc), seen));
  await db
    .insertInto('admitted')
    .values({ change, entry, doc })
    .onConflict((on) => on.columns(['change', 'entry']).doUpdateSet({ doc }))
    .execute();
  return true;
}

/** The same behaviour, whether one change admitted it or several. */
export function together(a: AdmittedBehaviour, b: AdmittedBehaviour): AdmittedBehaviour {
  return {
    behaviour: a.behaviour,
    count: a.count + b.count,
    firstAt: a.firstAt < b.firstAt ? a.firstAt : b.firstAt,
    lastAt: a.lastAt > b.lastAt ? a.lastAt : b.lastAt,
    members: [...new Set([...a.members, ...b.members])].sort(),
    risk: Math.max(a.risk, b.risk),
  };
}

/** By entry, of the changes that are asked about. */
export async function readAdmitted(
  db: Db,
  changes: readonly string[],
): Promise<{ change: string; entry: string; admitted: AdmittedBehaviour }[]> {
  if (changes.length === 0) return [];
  const rows = await db.selectFrom('admitted').selectAll().where('change', 'in', changes).execute();
  return rows.map(({ change, entry, doc }) => ({ change, entry, admitted: fromDoc(doc) }));
}

const admittingShown = 5;

/** Changes of a service that admitted a behaviour, the latest first. */
export async function listAdmitting(
  db: Db,
  { scope, service }: { readonly scope: string; readonly service: string },
  entry: string,
): Promise<{ id: string; until: string }[]> {
  return await db
    .selectFrom('admitted')
    .innerJoin('changes', 'changes.id', 'admitted.change')
    .select(['changes.id', 'changes.until'])
    .where('admitted.entry', '=', entry)
    .where('changes.scope', '=', scope)
    .where('changes.service', '=', service)
    .orderBy('changes.fromAt', 'desc')
    .limit(admittingShown)
    .execute();
}

export async function readDecisions(
  db: Db,
  scope: string,
  service: string,
): Promise<ReadonlyMap<string, EntryDecision>> {
  const rows = await db
    .selectFrom('decisions')
    .selectAll()
    .where('scope', '=', scope)
    .where('service', '=', service)
    .execute();
  return new Map(rows.map(({ entry, verdict, by, at }) => [entry, { verdict, by, at }]));
}

export async function saveDecision(
  db: Db,
  place: { readonly scope: string; readonly service: string },
  entry: string,
  decision: { readonly verdict: EntryVerdict; readonly by: string; readonly at: string },
): Promise<void> {
  const { scope, service } = place;
  await db
    .insertInto('decisions')
    .values({ scope, service, entry, ...decision })
    .onConflict((on) => on.columns(['scope', 'service', 'entry']).doUpdateSet(decision))
    .execute();
}

function toChange(row: Tables['changes']): StoredChange {
  const { scope, service, vm, by, closedBy, closedAt, notKept } = row;
  const closed = closedBy === null || closedAt === null ? null : { by: closedBy, at: closedAt };
  return { window: fromDoc(row.doc), scope, service, vm: vm === '' ? null : vm, by, closed, notKept };
}
