// How each service's behaviours were met and met again: one row for the course of it, one for each entry with how often it was drawn.
import type { Kysely } from 'kysely';
import { noDiscoveries, type Discoveries } from '../../stages/learn/discoveries.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

export async function readDiscoveries(db: Db, scope: string, service: string): Promise<Discoveries> {
  const row = await db
    .selectFrom('discoveries')
    .select('doc')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .executeTakeFirst();
  return row === undefined ? noDiscoveries : fromDoc(row.doc);
}

/** In how many stretches of work each of these entries was drawn; those never drawn are left out. */
export async function readDrawn(
  db: Db,
  scope: string,
  service: string,
  entries: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (entries.length === 0) return new Map();
  const rows = await db
    .selectFrom('drawn')
    .select(['entry', 'times'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('entry', 'in', entries)
    .execute();
  return new Map(rows.map(({ entry, times }) => [entry, times]));
}

export async function saveDiscoveries(
  db: Db,
  scope: string,
  service: string,
  discoveries: Discoveries,
  drawn: ReadonlyMap<string, number>,
): Promise<void> {
  const doc = asDoc(discoveries);
  await db
    .insertInto('discoveries')
    .values({ scope, service, doc })
    .onConflict((on) => on.columns(['scope', 'service']).doUpdateSet({ doc }))
    .execute();
  for (const [entry, times] of drawn)
    await db
      .insertInto('drawn')
      .values({ scope, service, entry, times })
      .onConflict((on) => on.columns(['scope', 'service', 'entry']).doUpdateSet({ times }))
      .execute();
}

/** The step of the migrations that made the tables. */
export async function makeDiscoveries(db: Kysely<unknown>): Promise<void> {
  const owned = { columns: ['scope', 'service'], key: ['scope', 'name'] } as const;
  await db.schema
    .createTable('discoveries')
    .addColumn('scope', 'text', (made) => made.notNull())
    .addColumn('service', 'text', (made) => made.notNull())
    .addColumn('doc', 'text', (made) => made.notNull())
    .addPrimaryKeyConstraint('discoveriesKey', ['scope', 'service'])
    .addForeignKeyConstraint('discoveriesService', [...owned.columns], 'services', [...owned.key], (on) =>
      on.onDelete('cascade'),
    )
    .execute();
  await db.schema
    .createTable('drawn')
    .addColumn('scope', 'text', (made) => made.notNull())
    .addColumn('service', 'text', (made) => made.notNull())
    .addColumn('entry', 'text', (made) => made.notNull())
    .addColumn('times', 'integer', (made) => made.notNull())
    .addPrimaryKeyConstraint('drawnKey', ['scope', 'service', 'entry'])
    .addForeignKeyConstraint('drawnService', [...owned.columns], 'services', [...owned.key], (on) =>
      on.onDelete('cascade'),
    )
    .execute();
}
