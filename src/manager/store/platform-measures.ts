// Measures on the network that are to be in force through a platform, kept before they are put there and until they are seen gone.
import type { NetworkMeasure, VmPort } from '../../model/network-measure.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

export interface PlatformMeasure {
  readonly vm: string;
  /** The name the platform keeps it under, the same for every attempt. */
  readonly key: string;
  readonly platform: string;
  /** The platform's own id of the VM: ours may change, when another VM is given its UUID. */
  readonly on: string;
  readonly measure: NetworkMeasure;
  /** The cards it was ordered for, as they were then: what the platform compares stays the same when an address changes. */
  readonly ports: readonly VmPort[];
  /** It is to be taken away, and was not seen gone yet. */
  readonly lifting: boolean;
}

export async function savePlatformMeasure(db: Db, measure: PlatformMeasure): Promise<void> {
  const row = { platform: measure.platform, doc: asDoc(measure) };
  await db
    .insertInto('platformMeasures')
    .values({ vm: measure.vm, key: measure.key, ...row })
    .onConflict((on) => on.columns(['vm', 'key']).doUpdateSet(row))
    .execute();
}

export async function forgetPlatformMeasure(db: Db, vm: string, key: string): Promise<void> {
  await db.deleteFrom('platformMeasures').where('vm', '=', vm).where('key', '=', key).execute();
}

export async function platformMeasure(db: Db, vm: string, key: string): Promise<PlatformMeasure | null> {
  const row = await db
    .selectFrom('platformMeasures')
    .select('doc')
    .where('vm', '=', vm)
    .where('key', '=', key)
    .executeTakeFirst();
  return row === undefined ? null : fromDoc(row.doc);
}

/** Of one platform; of all when none is named. */
export async function platformMeasures(db: Db, platform?: string): Promise<PlatformMeasure[]> {
  let query = db.selectFrom('platformMeasures').select('doc');
  if (platform !== undefined) query = query.where('platform', '=', platform);
  return (await query.orderBy('vm').orderBy('key').execute()).map((row) => fromDoc(row.doc));
}
