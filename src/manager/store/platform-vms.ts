// What remote platforms last said of their VMs, so that it is known while one is away and after a restart.
import type { Kysely } from 'kysely';
import type { PlatformVm } from '../../connectors/enforcement/platform.ts';
import { asDoc, fromDoc } from './doc.ts';
import type { Db } from './tables.ts';

export interface StoredPlatformVm {
  readonly platform: string;
  /** Our id of the VM. */
  readonly vm: string;
  readonly sight: PlatformVm;
}

export async function makePlatformTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('platformVms')
    .addColumn('platform', 'text', (made) => made.notNull())
    .addColumn('id', 'text', (made) => made.notNull())
    .addColumn('vm', 'text', (made) => made.notNull())
    .addColumn('doc', 'text', (made) => made.notNull())
    .addPrimaryKeyConstraint('platformVmsKey', ['platform', 'id'])
    .execute();
  await db.schema.createIndex('platformVmsByVm').on('platformVms').columns(['vm']).execute();
  await db.schema
    .createTable('platformMeasures')
    .addColumn('vm', 'text', (made) => made.notNull())
    .addColumn('key', 'text', (made) => made.notNull())
    .addColumn('platform', 'text', (made) => made.notNull())
    .addColumn('doc', 'text', (made) => made.notNull())
    .addPrimaryKeyConstraint('platformMeasuresKey', ['vm', 'key'])
    .execute();
}

export async function savePlatformVm(db: Db, { platform, vm, sight }: StoredPlatformVm): Promise<void> {
  const row = { vm, doc: asDoc(sight) };
  await db
    .insertInto('platformVms')
    .values({ platform, id: sight.id, ...row })
    .onConflict((on) => on.columns(['platform', 'id']).doUpdateSet(row))
    .execute();
}

export async function forgetPlatformVm(db: Db, platform: string, id: string): Promise<void> {
  await db.deleteFrom('platformVms').where('platform', '=', platform).where('id', '=', id).execute();
}

export async function vmsOfPlatform(db: Db, platform: string): Promise<StoredPlatformVm[]> {
  const rows = await db.selectFrom('platformVms').selectAll().where('platform', '=', platform).orderBy('id').execute();
  return rows.map(({ vm, doc }) => ({ platform, vm, sight: fromDoc(doc) }));
}

/** Of one VM; of all when none is named. Ordered by platform. */
export async function platformSightings(db: Db, vm?: string): Promise<StoredPlatformVm[]> {
  let query = db.selectFrom('platformVms').selectAll();
  if (vm !== undefined) query = query.where('vm', '=', vm);
  const rows = await query.orderBy('platform').orderBy('id').execute();
  return rows.map((row) => ({ platform: row.platform, vm: row.vm, sight: fromDoc(row.doc) }));
}
