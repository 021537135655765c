// The audit log: rows are added and read, never changed or removed.
import type { AuditEntry } from '../../model/audit-entry.ts';
import type { Db } from './tables.ts';

const detailMax = 4000;
const subjectMax = 512;

export async function appendAudit(db: Db, entry: Omit<AuditEntry, 'seq'>): Promise<void> {
  await db
    .insertInto('audit')
    .values((eb) => ({
      seq: eb.selectFrom('audit').select((of) => of(of.fn.coalesce(of.fn.max('seq'), of.lit(0)), '+', 1).as('next')),
      at: entry.at,
      by: entry.by,
      verb: entry.verb,
      subject: entry.subject.slice(0, subjectMax),
      outcome: entry.outcome,
      detail: entry.detail.slice(0, detailMax),
    }))
    .execute();
}

export async function listAudit(
  db: Db,
  filter: { readonly subject?: string; readonly limit: number; readonly before: number | null },
): Promise<{ items: AuditEntry[]; total: number }> {
  let query = db.selectFrom('audit');
  if (filter.subject !== undefined) query = query.where('subject', '=', filter.subject);
  const counted = await query.select((eb) => eb.fn.countAll().as('total')).executeTakeFirstOrThrow();
  if (filter.before !== null) query = query.where('seq', '<', filter.before);
  const items = await query.selectAll().orderBy('seq', 'desc').limit(filter.limit).execute();
  return { items, total: Number(counted.total) };
}

const namedAtOnce = 500;

/** What was written about any of these, oldest first; of more than `limit` the latest. */
export async function auditAbout(
  db: Db,
  subjects: readonly string[],
  limit: number,
): Promise<{ entries: AuditEntry[]; leftOut: number }> {
  const named = [...new Set(subjects)]
    .filter((subject) => subject !== '')
    .map((subject) => subject.slice(0, subjectMax));
  const found: AuditEntry[] = [];
  let total = 0;
  for (let from = 0; from < named.length; from += namedAtOnce) {
    const of = db.selectFrom('audit').where('subject', 'in', named.slice(from, from + namedAtOnce));
    const { rows } = await of.select((eb) => eb.fn.countAll().as('rows')).executeTakeFirstOrThrow();
    total += Number(rows);
    found.push(...(await of.selectAll().orderBy('seq', 'desc').limit(limit).execute()));
  }
  const entries = found.toSorted((a, b) => a.seq - b.seq).slice(-limit);
  return { entries, leftOut: total - entries.length };
}
