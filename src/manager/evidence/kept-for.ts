// Whose evidence an item is, and why it may not go yet: an open alarm needs it, or a person holds it.
import type { EvidenceItem, EvidenceView } from '../../model/evidence.ts';
import type { Remediation } from '../../model/remediation.ts';
import { listHolds } from '../store/evidence.ts';
import { remediationsNamed } from '../store/remediations.ts';
import type { Db } from '../store/tables.ts';

export async function viewEvidence(db: Db, items: readonly EvidenceItem[]): Promise<EvidenceView[]> {
  const causes = new Map<string, Remediation>();
  for (const one of await remediationsNamed(db, [...new Set(items.map(({ step }) => step))])) causes.set(one.id, one);
  const holds = new Map((await listHolds(db)).map((hold) => [hold.subject, hold]));
  const open = await openAlarms(db, [...causes.values()]);
  return items.map((item) => {
    const cause = causeOf(item, causes.get(item.step));
    const alarm = cause?.alarm ?? null;
    const plan = cause?.plan ?? null;
    const held = [item.id, alarm, plan, item.vm]
      .map((subject) => holds.get(subject ?? ''))
      .find((hold) => hold !== undefined);
    const keptFor =
      held !== undefined ? `held by ${held.by}` : alarm !== null && open.has(alarm) ? `alarm ${alarm} is open` : null;
    return { ...item, alarm, plan, keptFor };
  });
}

/** A sentinel may name any step: what was not done to that VM has not collected anything of it. */
function causeOf(item: EvidenceItem, remediation: Remediation | undefined): Remediation | null {
  return remediation?.step.vm === item.vm ? remediation : null;
}

async function openAlarms(db: Db, causes: readonly Remediation[]): Promise<ReadonlySet<string>> {
  const ids = [...new Set(causes.flatMap(({ alarm }) => (alarm === null ? [] : [alarm])))];
  const open = new Set<string>();
  for (let from = 0; from < ids.length; from += 500) {
    const rows = await db
      .selectFrom('alarms')
      .select('id')
      .where('status', '=', 'open')
      .where('id', 'in', ids.slice(from, from + 500))
      .execute();
    for (const { id } of rows) open.add(id);
  }
  return open;
}
