// Every manifest and withdrawal ever issued, and how far the newest one of each VM has come.
import type { Delivery } from '../../model/delivery.ts';
import type { Generation } from '../../model/manifest-reading.ts';
import type { SealedManifest } from '../../model/manifest.ts';
import { fromDoc, asDoc } from './doc.ts';
import type { Db, Tables } from './tables.ts';

/** Of each VM so many issues are kept; the number of the generation goes on rising all the same. */
const issuesKept = 50;

export interface Issue extends Generation {
  readonly envelope: SealedManifest;
}

export async function saveIssue(db: Db, issue: Issue): Promise<Delivery> {
  const { vm, generation, kind, mode, scope, service, entries, reason, issuedAt } = issue;
  await db
    .insertInto('issues')
    .values({ vm, generation, kind, mode, scope, service, entries, reason, issuedAt, envelope: asDoc(issue.envelope) })
    .execute();
  await db
    .deleteFrom('issues')
    .where('vm', '=', vm)
    .where('generation', '<=', generation - issuesKept)
    .execute();
  const row = { generation, kind, mode, why: null, attempts: 0, issuedAt };
  await db
    .insertInto('deliveries')
    .values({ vm, ...row, installed: null })
    .onConflict((on) => on.column('vm').doUpdateSet(row))
    .execute();
  const delivery = await deliveryOf(db, vm);
  if (delivery === null) throw new Error('a delivery just written is not there');
  return delivery;
}

/** The highest generation ever issued for a VM; 0 = none. */
export async function lastGeneration(db: Db, vm: string): Promise<number> {
  const row = await db.selectFrom('deliveries').select('generation').where('vm', '=', vm).executeTakeFirst();
  return row?.generation ?? 0;
}

export async function issueOf(db: Db, vm: string, generation: number): Promise<Issue | null> {
  const row = await db
    .selectFrom('issues')
    .selectAll()
    .where('vm', '=', vm)
    .where('generation', '=', generation)
    .executeTakeFirst();
  return row === undefined ? null : { ...row, envelope: fromDoc(row.envelope) };
}

/** Newest first. */
export async function listGenerations(db: Db, vm: string): Promise<Generation[]> {
  return await db
    .selectFrom('issues')
    .select(['vm', 'generation', 'kind', 'mode', 'scope', 'service', 'entries', 'issuedAt', 'reason'])
    .where('vm', '=', vm)
    .orderBy('generation', 'desc')
    .execute();
}

export async function deliveryOf(db: Db, vm: string): Promise<Delivery | null> {
  const row = await db.selectFrom('deliveries').selectAll().where('vm', '=', vm).executeTakeFirst();
  return row === undefined ? null : toDelivery(row);
}

export async function listDeliveries(db: Db): Promise<Delivery[]> {
  const rows = await db.selectFrom('deliveries').selectAll().orderBy('vm').execute();
  return rows.map(toDelivery);
}

/** What a sentinel answered to an issue. A newer issue made meanwhile is left alone. */
export async function saveInstalled(db: Db, vm: string, generation: number): Promise<Delivery | null> {
  await db
    .updateTable('deliveries')
    .set({ installed: generation, why: null })
    .where('vm', '=', vm)
    .where('generation', '>=', generation)
    .execute();
  return await deliveryOf(db, vm);
}

export async function saveNotInstalled(db: Db, vm: string, why: string): Promise<Delivery | null> {
  await db
    .updateTable('deliveries')
    .set((eb) => ({ why: why.slice(0, 2000), attempts: eb('attempts', '+', 1) }))
    .where('vm', '=', vm)
    .execute();
  return await deliveryOf(db, vm);
}

function toDelivery(row: Tables['deliveries']): Delivery {
  return { ...row, state: row.installed === row.generation ? 'installed' : 'waiting' };
}
