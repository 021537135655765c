// What each VM was seen to show, in a service or not: the latest of it, one row for each VM.
import type { Kysely } from 'kysely';
import { traitKey, vmTraitsMax, type VmTrait } from '../../model/vm-trait.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

export interface StoredTrait extends VmTrait {
  readonly lastAt: string;
}

/** What was not shown for so long is no longer what the VM does; sentinels tell what stands once a day. */
const keptMs = 30 * 86_400_000;

/** Answers how many traits found no room. */
export async function keepTraits(db: Db, vm: string, traits: readonly VmTrait[], at: string): Promise<number> {
  const oldest = new Date(Date.parse(at) - keptMs).toISOString();
  const known = new Map((await readTraits(db, vm)).map((trait) => [traitKey(trait), trait]));
  for (const { kind, what } of traits) known.set(traitKey({ kind, what }), { kind, what, lastAt: at });
  const fresh = [...known.values()].filter(({ lastAt }) => lastAt >= oldest);
  const kept = fresh
    .toSorted((a, b) => (a.lastAt === b.lastAt ? 0 : a.lastAt < b.lastAt ? 1 : -1))
    .slice(0, vmTraitsMax);
  const doc = asDoc(kept);
  await db
    .insertInto('vmTraits')
    .values({ vm, doc })
    .onConflict((on) => on.column('vm').doUpdateSet({ doc }))
    .execute();
  return fresh.length - kept.length;
}

export async function readTraits(db: Db, vm: string): Promise<readonly StoredTrait[]> {
  const row = await db.selectFrom('vmTraits').select('doc').where('vm', '=', vm).executeTakeFirst();
  return row === undefined ? [] : fromDoc(row.doc);
}

/** The step of the migrations that made the table. */
export async function makeVmTraits(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('vmTraits')
    .addColumn('vm', 'text', (made) => made.notNull().primaryKey())
    .addColumn('doc', 'text', (made) => made.notNull())
    .execute();
}
