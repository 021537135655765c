// Which batches of which sentinel are stored. A batch is known by its number and its content: a sentinel whose spool was lost
// begins at 1 again, and must not be taken for one that repeats itself.
import type { Db } from './tables.ts';

/** A repetition comes right after a lost acknowledgement, so that a few thousand numbers are plenty. */
const batchesRemembered = 4096;

export async function isStored(db: Db, sentinel: string, seq: number, digest: string): Promise<boolean> {
  const row = await db
    .selectFrom('batches')
    .select('seq')
    .where('sentinel', '=', sentinel)
    .where('seq', '=', seq)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row !== undefined;
}

export async function rememberBatch(db: Db, sentinel: string, seq: number, digest: string): Promise<void> {
  await db.insertInto('batches').values({ sentinel, seq, digest }).execute();
  await db
    .deleteFrom('batches')
    .where('sentinel', '=', sentinel)
    .where('seq', '<=', seq - batchesRemembered)
    .execute();
}

export async function countBatch(db: Db, sentinel: string, at: string, repeated: boolean): Promise<void> {
  const add = repeated ? { batches: 0, repeated: 1 } : { batches: 1, repeated: 0 };
  await db
    .insertInto('sentinels')
    .values({ name: sentinel, lastBatchAt: at, ...add })
    .onConflict((on) =>
      on.column('name').doUpdateSet((eb) => ({
        lastBatchAt: at,
        batches: eb('sentinels.batches', '+', add.batches),
        repeated: eb('sentinels.repeated', '+', add.repeated),
      })),
    )
    .execute();
}
