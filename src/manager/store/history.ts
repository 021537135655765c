// What members did while they were learned, each distinct activity once an hour: so that a manifest can be asked about it later.
import type { Kysely } from 'kysely';
import type { Observed } from '../../model/observation.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

/** Of each service; the oldest hours leave first. Some weeks of an ordinary service. */
const rowsKept = 50_000;
/** Looked after from time to time only: counting rows costs more than adding one. */
const slack = 1000;

export interface Kept extends Observed {
  readonly key: string;
}

interface Place {
  readonly scope: string;
  readonly service: string;
}

/** `key` tells activities apart that a manifest could judge differently. Answers how many rows had to leave. */
export async function keepHistory(
  db: Db,
  { scope, service }: Place,
  vm: string,
  kept: readonly Kept[],
): Promise<number> {
  for (const { key, ...observed } of kept) {
    const hour = observed.firstAt.slice(0, 13);
    const row = { scope, service, vm, hour, key };
    const known = await db
      .selectFrom('history')
      .select('doc')
      .where('scope', '=', scope)
      .where('service', '=', service)
      .where('vm', '=', vm)
      .where('hour', '=', hour)
      .where('key', '=', key)
      .executeTakeFirst();
    const doc = asDoc(known === undefined ? observed : together(fromDoc(known.doc), observed));
    await db
      .insertInto('history')
      .values({ ...row, doc })
      .onConflict((on) => on.columns(['scope', 'service', 'vm', 'hour', 'key']).doUpdateSet({ doc }))
      .execute();
  }
  return await dropOldest(db, { scope, service });
}

async function dropOldest(db: Db, { scope, service }: Place): Promise<number> {
  const { rows } = await db
    .selectFrom('history')
    .select((eb) => eb.fn.countAll().as('rows'))
    .where('scope', '=', scope)
    .where('service', '=', service)
    .executeTakeFirstOrThrow();
  if (Number(rows) <= rowsKept + slack) return 0;
  const edge = await db
    .selectFrom('history')
    .select('hour')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('hour', 'desc')
    .offset(rowsKept)
    .limit(1)
    .executeTakeFirst();
  if (edge === undefined) return 0;
  const gone = await db
    .deleteFrom('history')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('hour', '<=', edge.hour)
    .executeTakeFirst();
  return Number(gone.numDeletedRows);
}

function together(a: Observed, b: Observed): Observed {
  return {
    activity: a.activity,
    count: a.count + b.count,
    firstAt: a.firstAt < b.firstAt ? a.firstAt : b.firstAt,
    lastAt: a.lastAt > b.lastAt ? a.lastAt : b.lastAt,
  };
}

/** Oldest first. */
export async function readHistory(db: Db, { scope, service }: Place): Promise<{ vm: string; observed: Observed }[]> {
  const rows = await db
    .selectFrom('history')
    .select(['vm', 'doc'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('hour')
    .orderBy('vm')
    .orderBy('key')
    .execute();
  return rows.map(({ vm, doc }) => ({ vm, observed: fromDoc(doc) }));
}

/** The step of the migrations that made the table. */
export async function makeHistory(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('history')
    .addColumn('scope', 'text', (made) => made.notNull())
    .addColumn('service', 'text', (made) => made.notNull())
    .addColumn('vm', 'text', (made) => made.notNull())
    .addColumn('hour', 'text', (made) => made.notNull())
    .addColumn('key', 'text', (made) => made.notNull())
    .addColumn('doc', 'text', (made) => made.notNull())
    .addPrimaryKeyConstraint('historyKey', ['scope', 'service', 'vm', 'hour', 'key'])
    .addForeignKeyConstraint('historyService', ['scope', 'service'], 'services', ['scope', 'name'], (on) =>
      on.onDelete('cascade'),
    )
    .execute();
  await db.schema.createIndex('historyByHour').on('history').columns(['scope', 'service', 'hour']).execute();
}
