// Answers given, with the state that was read back.
import type { Remediation, RemediationState } from '../../model/remediation.ts';
import { fromDoc, asDoc } from './doc.ts';
import { pageFrom, isBehind, type Page } from './paging.ts';
import type { Db } from './tables.ts';

const settled: readonly RemediationState[] = ['done', 'failed'];

/** A state that was settled stays: a late report of an earlier step changes nothing. False = nothing changed. */
export async function saveRemediation(db: Db, remediation: Remediation): Promise<boolean> {
  const known = await remediationById(db, remediation.id);
  if (known !== null && (settled.includes(known.state) || known.state === remediation.state)) return false;
  const row = {
    vm: remediation.step.vm,
    alarm: remediation.alarm,
    groupKey: remediation.group,
    state: remediation.state,
    startedAt: remediation.startedAt,
    doc: asDoc(remediation),
  };
  await db
    .insertInto('remediations')
    .values({ id: remediation.id, ...row })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute();
  return true;
}

export async function remediationById(db: Db, id: string): Promise<Remediation | null> {
  const row = await db.selectFrom('remediations').select('doc').where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : fromDoc(row.doc);
}

export async function remediationsNamed(db: Db, ids: readonly string[]): Promise<Remediation[]> {
  const found: Remediation[] = [];
  for (let from = 0; from < ids.length; from += namedAtOnce) {
    const named = ids.slice(from, from + namedAtOnce);
    const rows = await db.selectFrom('remediations').select('doc').where('id', 'in', named).execute();
    found.push(...rows.map((row) => fromDoc(row.doc)));
  }
  return found;
}

const namedAtOnce = 500;
const newestOfVm = 500;

/** The newest of one VM, latest first. */
export async function remediationsOfVm(db: Db, vm: string): Promise<Remediation[]> {
  const query = db.selectFrom('remediations').select('doc').where('vm', '=', vm);
  const rows = await query.orderBy('startedAt', 'desc').orderBy('id', 'desc').limit(newestOfVm).execute();
  return rows.map((row) => fromDoc(row.doc));
}

const newestMax = 10_000;

/** Of all VMs, those begun since then, latest first. */
export async function remediationsSince(db: Db, startedAt: string): Promise<Remediation[]> {
  const query = db.selectFrom('remediations').select('doc').where('startedAt', '>=', startedAt);
  const rows = await query.orderBy('startedAt', 'desc').orderBy('id', 'desc').limit(newestMax).execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function remediationsOfAlarm(db: Db, alarm: string): Promise<Remediation[]> {
  const rows = await db
    .selectFrom('remediations')
    .select('doc')
    .where('alarm', '=', alarm)
    .orderBy('startedAt')
    .orderBy('id')
    .execute();
  return rows.map((row) => fromDoc(row.doc));
}

/** Remediations of a VM and group that no alarm claimed yet: a sentinel may report its answer before its finding. */
export async function unclaimedRemediations(db: Db, vm: string, group: string): Promise<Remediation[]> {
  const rows = await db
    .selectFrom('remediations')
    .select('doc')
    .where('vm', '=', vm)
    .where('groupKey', '=', group)
    .where('alarm', 'is', null)
    .execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function claimRemediation(db: Db, remediation: Remediation, alarm: string): Promise<void> {
  await db
    .updateTable('remediations')
    .set({ alarm, doc: asDoc({ ...remediation, alarm }) })
    .where('id', '=', remediation.id)
    .execute();
}

export async function remediationsIn(db: Db, state: RemediationState): Promise<Remediation[]> {
  const rows = await db.selectFrom('remediations').select('doc').where('state', '=', state).execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function listRemediations(
  db: Db,
  filter: { readonly vm?: string; readonly state?: RemediationState; readonly limit: number; readonly after?: string },
): Promise<Page<Remediation>> {
  let query = db.selectFrom('remediations');
  if (filter.vm !== undefined) query = query.where('vm', '=', filter.vm);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  const counted = await query.select((eb) => eb.fn.countAll().as('total')).executeTakeFirstOrThrow();
  const rows = await query
    .where(isBehind('startedAt', filter.after))
    .select(['id', 'startedAt', 'doc'])
    .orderBy('startedAt', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  return pageFrom(rows, filter.limit, counted.total, { at: (row) => row.startedAt, item: (row) => fromDoc(row.doc) });
}
