// Entries that people retired because nobody used them any more: kept, so that a later alarm on one can say so.
import type { RetiredEntry } from '../../model/retirement.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

/** Of each service; more are refused. */
const retiredKept = 5000;

export async function saveRetired(db: Db, scope: string, service: string, retired: RetiredEntry): Promise<void> {
  const row = { at: retired.at, doc: asDoc(retired) };
  await db
    .insertInto('retirements')
    .values({ scope, service, entry: retired.entry, ...row })
    .onConflict((on) => on.columns(['scope', 'service', 'entry']).doUpdateSet(row))
    .execute();
}

/** The latest first. */
export async function readRetired(db: Db, scope: string, service: string): Promise<RetiredEntry[]> {
  const rows = await db
    .selectFrom('retirements')
    .select('doc')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('at', 'desc')
    .orderBy('entry')
    .execute();
  return rows.map(({ doc }) => fromDoc(doc));
}

async function countRetired(db: Db, scope: string, service: string): Promise<number> {
  const { rows } = await db
    .selectFrom('retirements')
    .select((eb) => eb.fn.countAll().as('rows'))
    .where('scope', '=', scope)
    .where('service', '=', service)
    .executeTakeFirstOrThrow();
  return Number(rows);
}

/** Whether so many more may be remembered: one that is forgotten would stand in the manifest again. */
export async function hasRoomToRetire(db: Db, scope: string, service: string, more: number): Promise<boolean> {
  return (await countRetired(db, scope, service)) + more <= retiredKept;
}
