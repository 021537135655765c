// What sentinels say of what they collected. A sentinel speaks for itself only, and what it once said of an item's size and hash stands:
// a bundle holds the bytes against it.
import { createHash } from 'node:crypto';
import type { EvidenceItem, EvidenceReport } from '../../model/evidence.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import { isOwnHost } from '../evidence/own-items.ts';
import { countEvidence, evidenceById, forgetOldEvidence, saveEvidence } from '../store/evidence.ts';

/** Of one sentinel; beyond that the oldest that were removed or lost are forgotten, and then nothing more is taken. */
export const itemsOfHostMax = 20_000;
const room = 100;

export async function takeEvidence(turn: Turn, { sentinel, evidence = [] }: SentinelBatch): Promise<void> {
  if (isOwnHost(sentinel) && evidence.length > 0)
    return await turn.record('evidence.refused', sentinel, 'that is no name for a sentinel that has evidence');
  const untaken: string[] = [];
  for (const report of evidence) {
    const id = evidenceIdOf(sentinel, report.id);
    const known = await evidenceById(turn.db, id);
    const why =
      known === null ? await takeNew(turn, sentinel, id, report) : await takeAgain(turn, sentinel, known.item, report);
    if (why !== null) untaken.push(why);
  }
  const [first] = untaken;
  // Once for a batch, however much of it there is.
  if (first !== undefined) await turn.record('evidence.refused', sentinel, `${first}; ${untaken.length} like it`);
}

/** Two sentinels never mean the same item, whatever they call it. */
export function evidenceIdOf(sentinel: string, reportedAs: string): string {
  return createHash('sha256').update(`${sentinel}\n${reportedAs}`).digest('hex').slice(0, 32);
}

/** Null = it was taken, or is no news; otherwise why it was not. */
async function takeNew(turn: Turn, host: string, id: string, report: EvidenceReport): Promise<string | null> {
  // It was removed before anybody here had heard of it, and nothing is known of it.
  if (report.state === 'removed') return null;
  if ((await countEvidence(turn.db, host)) >= itemsOfHostMax) await forgetOldEvidence(turn.db, host, room);
  if ((await countEvidence(turn.db, host)) >= itemsOfHostMax)
    return `${host} has reported ${itemsOfHostMax} items, which is the most`;
  const { kind, vm, step } = report;
  const whose = { id, kind, vm, host, step, removedAt: null, removedBy: null };
  if (report.state === 'lost') {
    const lost = { ...whose, state: 'lost', name: null, sizeBytes: null, sha256: null } as const;
    await saveEvidence(turn.db, { item: { ...lost, madeAt: report.at, note: report.why }, reportedAs: report.id });
    await turn.record('evidence.lost', id, `${kind} of ${vm} by remediation ${step} on ${host}: ${report.why}`);
    return null;
  }
  const { name, sizeBytes, sha256, madeAt, note } = report;
  const item: EvidenceItem = { ...whose, state: 'kept', name, sizeBytes, sha256, madeAt, note };
  await saveEvidence(turn.db, { item, reportedAs: report.id });
  await turn.record(
    'evidence.collected',
    id,
    `${kind} of ${vm} by remediation ${step} on ${host}: ${name}, ${sizeBytes} bytes, sha256 ${sha256}`,
  );
  return null;
}

async function takeAgain(turn: Turn, host: string, item: EvidenceItem, report: EvidenceReport): Promise<string | null> {
  if (report.state === 'removed') {
    if (item.state !== 'kept') return null;
    const removed: EvidenceItem = { ...item, state: 'removed', removedAt: report.at, removedBy: report.by };
    await saveEvidence(turn.db, { item: removed, reportedAs: report.id });
    await turn.record('evidence.removed', item.id, `${item.kind} of ${item.vm} on ${host}: ${sayRemoval(report.by)}`);
    return null;
  }
  if (report.state === 'lost' || item.state === 'lost') return null;
  if (report.sha256 === item.sha256 && report.sizeBytes === item.sizeBytes) return null;
  const says = `${host} now says of ${item.id}: ${report.sizeBytes} bytes, sha256 ${report.sha256}`;
  return `${says}; what it said first stands: ${item.sizeBytes} bytes, sha256 ${item.sha256}`;
}

export function sayRemoval(by: NonNullable<EvidenceItem['removedBy']>): string {
  switch (by) {
    case 'host-age':
      return "by retention: older than its host's limit";
    case 'host-size':
      return "by retention: its host's limit of size was reached";
    case 'age':
      return "by retention: older than the manager's limit";
    case 'size':
      return "by retention: the manager's limit of size was reached";
  }
}
