// When each entry of a service's manifests was last used, how long it has ever rested, and on which days its members were watched
// so that a use would have been told.
import type { CreateTableBuilder, Kysely } from 'kysely';
import type { EntryUse } from '../../model/entry-use.ts';
import type { Activity } from '../../model/observation.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

interface Place {
  readonly scope: string;
  readonly service: string;
}

export interface StoredUse {
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** The member that used it last. */
  readonly lastVm: string;
  /** The longest time between two uses; 0 = it was used on one occasion. */
  readonly longestGapMs: number;
  /** Something it allowed; null = the sentinel told none. */
  readonly sample: Activity | null;
}

/** More than a manifest can hold at once several times over; beyond it uses of further entries are refused and counted. */
const entriesKept = 50_000;
/** Some more than three years, since what happens once a year is judged by three of them. */
const daysKept = 1200;
const dayMs = 86_400_000;
/** Names in one question to the database. */
const asked = 500;

/** Answers how many uses found no room. */
export async function keepUses(db: Db, place: Place, vm: string, uses: readonly EntryUse[]): Promise<number> {
  let room: number | null = null;
  let refused = 0;
  for (let from = 0; from < uses.length; from += asked) {
    const some = uses.slice(from, from + asked);
    const known = await usesOf(
      db,
      place,
      some.map(({ entry }) => entry),
    );
    for (const use of some) {
      const before = known.get(use.entry) ?? null;
      if (before === null) {
        room ??= entriesKept - (await countUses(db, place));
        if (room <= 0) {
          refused += 1;
          continue;
        }
        room -= 1;
      }
      const doc = asDoc(before === null ? firstUse(use, vm) : together(before, use, vm));
      await db
        .insertInto('entryUses')
        .values({ ...place, entry: use.entry, doc })
        .onConflict((on) => on.columns(['scope', 'service', 'entry']).doUpdateSet({ doc }))
        .execute();
    }
  }
  return refused;
}

function firstUse({ count, firstAt, lastAt, sample }: EntryUse, vm: string): StoredUse {
  return { count, firstAt, lastAt, lastVm: vm, longestGapMs: 0, sample: sample ?? null };
}

/** Reports of two hosts may come out of order: the gap is then too long rather than too short. */
function together(before: StoredUse, use: EntryUse, vm: string): StoredUse {
  const gapMs = Date.parse(use.firstAt) - Date.parse(before.lastAt);
  const isLater = use.lastAt > before.lastAt;
  return {
    count: before.count + use.count,
    firstAt: use.firstAt < before.firstAt ? use.firstAt : before.firstAt,
    lastAt: isLater ? use.lastAt : before.lastAt,
    lastVm: isLater ? vm : before.lastVm,
    longestGapMs: Math.max(before.longestGapMs, gapMs),
    sample: use.sample ?? before.sample,
  };
}

async function countUses(db: Db, { scope, service }: Place): Promise<number> {
  const { rows } = await db
    .selectFrom('entryUses')
    .select((eb) => eb.fn.countAll().as('rows'))
    .where('scope', '=', scope)
    .where('service', '=', service)
    .executeTakeFirstOrThrow();
  return Number(rows);
}

async function usesOf(
  db: Db,
  { scope, service }: Place,
  entries: readonly string[],
): Promise<ReadonlyMap<string, StoredUse>> {
  const rows = await db
    .selectFrom('entryUses')
    .select(['entry', 'doc'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('entry', 'in', entries)
    .execute();
  return new Map(rows.map(({ entry, doc }) => [entry, fromDoc(doc)]));
}

/** By entry. */
export async function readUses(db: Db, { scope, service }: Place): Promise<ReadonlyMap<string, StoredUse>> {
  const rows = await db
    .selectFrom('entryUses')
    .select(['entry', 'doc'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .execute();
  return new Map(rows.map(({ entry, doc }) => [entry, fromDoc(doc)]));
}

/** Seconds of a day (`2026-11-21`) in which the VM's uses were told. */
export async function addUseWatch(db: Db, place: Place, vm: string, day: string, seconds: number): Promise<void> {
  await db
    .insertInto('useWatch')
    .values({ ...place, vm, day, seconds })
    .onConflict((on) =>
      on.columns(['scope', 'service', 'vm', 'day']).doUpdateSet((eb) => ({
        seconds: eb('useWatch.seconds', '+', seconds),
      })),
    )
    .execute();
  const oldest = new Date(Date.parse(day) - daysKept * dayMs).toISOString().slice(0, 10);
  await db
    .deleteFrom('useWatch')
    .where('scope', '=', place.scope)
    .where('service', '=', place.service)
    .where('vm', '=', vm)
    .where('day', '<', oldest)
    .execute();
}

export interface WatchedDay {
  readonly vm: string;
  readonly day: string;
  readonly seconds: number;
}

export async function readUseWatch(db: Db, { scope, service }: Place): Promise<WatchedDay[]> {
  return await db
    .selectFrom('useWatch')
    .select(['vm', 'day', 'seconds'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('vm')
    .orderBy('day')
    .execute();
}

/** The step of the migrations that made the tables, and that of retired entries. */
export async function makeUseTables(db: Kysely<unknown>): Promise<void> {
  const texts: Readonly<Record<string, { columns: readonly string[]; key: readonly string[] }>> = {
    entryUses: { columns: ['scope', 'service', 'entry', 'doc'], key: ['scope', 'service', 'entry'] },
    useWatch: { columns: ['scope', 'service', 'vm', 'day'], key: ['scope', 'service', 'vm', 'day'] },
    retirements: { columns: ['scope', 'service', 'entry', 'at', 'doc'], key: ['scope', 'service', 'entry'] },
  };
  for (const [table, { columns, key }] of Object.entries(texts)) {
    let create: CreateTableBuilder<string, string> = db.schema.createTable(table);
    for (const column of columns) create = create.addColumn(column, 'text', (made) => made.notNull());
    if (table === 'useWatch') create = create.addColumn('seconds', 'double precision', (made) => made.notNull());
    await create
      .addPrimaryKeyConstraint(`${table}Key`, [...key] as [string, ...string[]])
      .addForeignKeyConstraint(`${table}Service`, ['scope', 'service'], 'services', ['scope', 'name'], (on) =>
        on.onDelete('cascade'),
      )
      .execute();
  }
}
