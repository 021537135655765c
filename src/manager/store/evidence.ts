// What sentinels collected: one row for each item, whichever way it ended, and what people said must be kept. The bytes are not here.
import type { Kysely } from 'kysely';
import type { EvidenceHold, EvidenceItem } from '../../model/evidence.ts';
import { asDoc, fromDoc } from './doc.ts';
import { isBehind, pageFrom, type Page } from './paging.ts';
import type { Db } from './tables.ts';

/** An item with the id its sentinel knows it by. */
export interface StoredEvidence {
  readonly item: EvidenceItem;
  readonly reportedAs: string;
}

/** Queries name so many values at once. */
const namedAtOnce = 500;

export async function saveEvidence(db: Db, { item, reportedAs }: StoredEvidence): Promise<void> {
  const row = {
    host: item.host,
    reportedAs,
    vm: item.vm,
    step: item.step,
    state: item.state,
    sizeBytes: item.sizeBytes ?? 0,
    madeAt: item.madeAt,
    doc: asDoc(item),
  };
  await db
    .insertInto('evidence')
    .values({ id: item.id, ...row })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute();
}

export async function evidenceById(db: Db, id: string): Promise<StoredEvidence | null> {
  const row = await db.selectFrom('evidence').select(['reportedAs', 'doc']).where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : { item: fromDoc(row.doc), reportedAs: row.reportedAs };
}

/** Oldest first. */
export async function evidenceOfSteps(db: Db, steps: readonly string[]): Promise<StoredEvidence[]> {
  const found: StoredEvidence[] = [];
  for (let from = 0; from < steps.length; from += namedAtOnce) {
    const rows = await db
      .selectFrom('evidence')
      .select(['reportedAs', 'doc'])
      .where('step', 'in', steps.slice(from, from + namedAtOnce))
      .execute();
    found.push(...rows.map(({ reportedAs, doc }) => ({ item: fromDoc(doc), reportedAs })));
  }
  return found.toSorted(({ item: a }, { item: b }) => (`${a.madeAt} ${a.id}` < `${b.madeAt} ${b.id}` ? -1 : 1));
}

/** Whose bytes should still be on their hosts, oldest first. */
export async function keptEvidence(db: Db, limit: number): Promise<StoredEvidence[]> {
  const rows = await db
    .selectFrom('evidence')
    .select(['reportedAs', 'doc'])
    .where('state', '=', 'kept')
    .orderBy('madeAt')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ reportedAs, doc }) => ({ item: fromDoc(doc), reportedAs }));
}

export async function countEvidence(db: Db, host: string): Promise<number> {
  const counted = await db
    .selectFrom('evidence')
    .select((eb) => eb.fn.countAll().as('items'))
    .where('host', '=', host)
    .executeTakeFirstOrThrow();
  return Number(counted.items);
}

/** Removes the oldest rows of a host that stand for nothing any more. */
export async function forgetOldEvidence(db: Db, host: string, count: number): Promise<void> {
  await db
    .deleteFrom('evidence')
    .where('id', 'in', (of) =>
      of
        .selectFrom('evidence')
        .select('id')
        .where('host', '=', host)
        .where('state', '!=', 'kept')
        .orderBy('madeAt')
        .limit(count),
    )
    .execute();
}

/** Latest first. */
export async function listEvidence(
  db: Db,
  filter: {
    readonly vm?: string;
    readonly ids?: readonly string[];
    readonly limit: number;
    readonly after?: string;
  },
): Promise<Page<EvidenceItem>> {
  let query = db.selectFrom('evidence');
  if (filter.vm !== undefined) query = query.where('vm', '=', filter.vm);
  if (filter.ids !== undefined) query = query.where('id', 'in', filter.ids.slice(0, namedAtOnce * 20));
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

export async function saveHold(db: Db, hold: EvidenceHold): Promise<void> {
  const { by, at } = hold;
  await db
    .insertInto('evidenceHolds')
    .values(hold)
    .onConflict((on) => on.column('subject').doUpdateSet({ by, at }))
    .execute();
}

/** Null = it was not held. */
export async function dropHold(db: Db, subject: string): Promise<EvidenceHold | null> {
  const held = await db.selectFrom('evidenceHolds').selectAll().where('subject', '=', subject).executeTakeFirst();
  await db.deleteFrom('evidenceHolds').where('subject', '=', subject).execute();
  return held ?? null;
}

/** The latest first. */
export async function listHolds(db: Db): Promise<EvidenceHold[]> {
  return await db.selectFrom('evidenceHolds').selectAll().orderBy('at', 'desc').orderBy('subject').execute();
}

/** The step of the migrations that made the tables. */
export async function makeEvidence(db: Kysely<unknown>): Promise<void> {
  let create = db.schema.createTable('evidence').addColumn('id', 'text', (made) => made.notNull().primaryKey());
  for (const column of ['host', 'reportedAs', 'vm', 'step', 'state', 'madeAt', 'doc'] as const)
    create = create.addColumn(column, 'text', (made) => made.notNull()) as typeof create;
  // A dump may be larger than an integer of four bytes counts.
  await create.addColumn('sizeBytes', 'bigint', (made) => made.notNull()).execute();
  for (const columns of [
    ['step'],
    ['vm', 'madeAt'],
    ['state', 'madeAt'],
    ['host', 'state', 'madeAt'],
    ['madeAt', 'id'],
  ])
    await db.schema
      .createIndex(`evidenceBy${columns.map((column) => column.charAt(0).toUpperCase() + column.slice(1)).join('')}`)
      .on('evidence')
      .columns(columns)
      .execute();
  await db.schema
    .createTable('evidenceHolds')
    .addColumn('subject', 'text', (made) => made.notNull().primaryKey())
    .addColumn('by', 'text', (made) => made.notNull())
    .addColumn('at', 'text', (made) => made.notNull())
    .execute();
}
