// Makes a bundle: a tar archive with what the store knows, every item that can still be read, and, behind them, one signed index with the
// hash of each. It is made as it is sent, so that a dump of any size passes through in pieces. What cannot be read is said, never left out.
import { createHash } from 'node:crypto';
import { isoTime } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { BundleMember, CollectedItem, EvidenceIndex, EvidenceKind } from '../../model/evidence.ts';
import { tarEndBytes, tarHeader, tarPadding } from '../../protocols/tar/ustar.ts';
import { incidentsOf } from '../../stages/assess/incidents.ts';
import { record } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { bundleIndexName, bundleIndexType } from './bundle-form.ts';
import { gather, type Gathered } from './gather.ts';
import { type ItemEnd, openItem, unread } from './read-item.ts';
import { timelineOf } from './timeline.ts';

export interface Bundle {
  readonly fileName: string;
  /** Read to its end, or given back: either way the audit log says how it ended. */
  readonly bytes: AsyncGenerator<Buffer, void>;
}

const endings: Readonly<Record<EvidenceKind, string>> = { packets: 'pcap', memory: 'elf' };
const snapshotsMax = 1000;
/** As the index bounds its texts. */
const textMax = 2000;
const zeros = Buffer.alloc(1024 * 1024);

/** What a bundle would hold, without reading an item. */
export async function previewIndex(desk: Desk, reference: string, by: string): Promise<Result<EvidenceIndex>> {
  const gathered = await look(desk, reference);
  if (!gathered.ok) return gathered;
  const collected = gathered.value.items.map(unread);
  return ok(indexOf(gathered.value, { members: [], collected, madeAt: isoTime(desk.clock.now()), madeBy: by }));
}

export async function openBundle(desk: Desk, reference: string, by: string): Promise<Result<Bundle>> {
  const gathered = await look(desk, reference);
  if (!gathered.ok) return gathered;
  const { kind, id } = gathered.value.subject;
  const act = { by, verb: 'evidence.export', subject: id };
  const noted = await record(desk, act, 'begun', `${kind}, ${gathered.value.items.length} items`);
  if (!noted.ok) return noted;
  return ok({ fileName: `plumbline-${kind}-${plain(id)}.tar`, bytes: audited(desk, act, gathered.value) });
}

async function look(desk: Desk, reference: string): Promise<Result<Gathered>> {
  const read = await desk.store.read(async (db) => await gather(db, reference));
  if (!read.ok) return read;
  if (read.value.ok && read.value.value.vm === '')
    return fail(problem('not-found', `Nothing is known of ${reference}.`));
  return read.value;
}

async function* audited(
  desk: Desk,
  act: { by: string; verb: string; subject: string },
  gathered: Gathered,
): AsyncGenerator<Buffer, void> {
  let index: EvidenceIndex | null = null;
  try {
    index = yield* archive(desk, gathered, act.by);
  } finally {
    const bytes = index?.members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (index === null) await record(desk, act, 'failed', 'broken off before it was complete');
    else
      await record(desk, act, 'done', `${index.members.length} files, ${bytes} bytes, ${index.missing.length} missing`);
  }
}

async function* archive(desk: Desk, gathered: Gathered, by: string): AsyncGenerator<Buffer, EvidenceIndex> {
  const madeAt = isoTime(desk.clock.now());
  const mtimeSeconds = Math.floor(Date.parse(madeAt) / 1000);
  const members: BundleMember[] = [];
  const collected: CollectedItem[] = [];
  const reading = { desk, away: new Set<string>() };
  for (const { name, holds, value } of documentsOf(gathered)) {
    const bytes = Buffer.from(`${JSON.stringify(value, null, 1)}\n`);
    members.push({ name, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), holds });
    yield* member(name, bytes, mtimeSeconds);
  }
  for (const stored of gathered.items) {
    const { item } = stored;
    const opened = await openItem(reading, stored);
    if (!opened.isThere) {
      collected.push({ item, member: null, ...clipped(opened.end) });
      continue;
    }
    const { sizeBytes } = opened;
    const name = `items/${item.id}.${endings[item.kind]}`;
    const holds = `${item.kind} of ${item.vm}, collected by remediation ${item.step} at ${item.madeAt}`;
    yield tarHeader({ name, sizeBytes, mtimeSeconds });
    const hash = createHash('sha256');
    const end = yield* hashed(hash, filled(opened.chunks(), sizeBytes));
    members.push({ name, sizeBytes, sha256: hash.digest('hex'), holds });
    collected.push({ item, member: name, ...clipped(end) });
    yield Buffer.alloc(tarPadding(sizeBytes));
  }
  const index = indexOf(gathered, { members, collected, madeAt, madeBy: by });
  const envelope = desk.seals.seal(bundleIndexType, index);
  yield* member(bundleIndexName, Buffer.from(`${JSON.stringify(envelope)}\n`), mtimeSeconds);
  yield Buffer.alloc(tarEndBytes);
  return index;
}

/** A sentinel may say a great deal. */
function clipped(end: ItemEnd): ItemEnd {
  return { ...end, why: end.why.slice(0, textMax) };
}

function* member(name: string, bytes: Buffer, mtimeSeconds: number): Generator<Buffer, void> {
  yield tarHeader({ name, sizeBytes: bytes.length, mtimeSeconds });
  yield bytes;
  yield Buffer.alloc(tarPadding(bytes.length));
}

/** The size stands in the archive before the bytes do: when they end early, zeros take their place, and the index says from where on. */
async function* filled(chunks: AsyncGenerator<Buffer, ItemEnd>, sizeBytes: number): AsyncGenerator<Buffer, ItemEnd> {
  const end = yield* chunks;
  for (let left = sizeBytes - end.readBytes; left > 0; left -= zeros.length)
    yield zeros.subarray(0, Math.min(left, zeros.length));
  return end;
}

async function* hashed<R>(
  hash: { update(bytes: Buffer): unknown },
  from: AsyncGenerator<Buffer, R>,
): AsyncGenerator<Buffer, R> {
  for (;;) {
    const next = await from.next();
    if (next.done === true) return next.value;
    hash.update(next.value);
    yield next.value;
  }
}

interface Document {
  readonly name: string;
  readonly holds: string;
  readonly value: unknown;
}

function documentsOf({ alarm, plans, remediations, audit, inventory, manifests }: Gathered): Document[] {
  const tree = alarm === null ? [] : incidentsOf([{ alarm: alarm.alarm, activities: alarm.activities }]);
  return [
    ...(alarm === null
      ? []
      : [
          {
            name: 'documents/alarm.json',
            holds: 'the alarm: its finding with the reasons, and what was seen',
            value: alarm,
          },
          { name: 'documents/process-tree.json', holds: 'what led to what in the guest, as it was seen', value: tree },
        ]),
    ...manifests.map(({ generation, envelope }) => ({
      name: `documents/manifest-${generation}.json`,
      holds: `the signed manifest of generation ${generation}`,
      value: envelope,
    })),
    { name: 'documents/plans.json', holds: 'plans with how far each step has come', value: plans },
    { name: 'documents/remediations.json', holds: 'what was done and what was read back', value: remediations },
    { name: 'documents/audit.json', holds: 'who did what about it, oldest first', value: audit },
    { name: 'documents/vm.json', holds: 'the VM as the inventory shows it', value: inventory },
  ];
}

function indexOf(
  gathered: Gathered,
  made: Pick<EvidenceIndex, 'members' | 'collected' | 'madeAt' | 'madeBy'>,
): EvidenceIndex {
  const { subject, vm, vmName, remediations } = gathered;
  const { entries, leftOut } = timelineOf(gathered);
  const snapshots = remediations
    .slice(-snapshotsMax)
    .flatMap(({ id, step, state, endedAt, startedAt }) =>
      step.snapshot === undefined
        ? []
        : [{ name: step.snapshot, vm: step.vm, state, at: endedAt ?? startedAt, remediation: id }],
    );
  const missing = [
    ...gathered.missing,
    ...(leftOut === 0 ? [] : [`${leftOut} older entries of the timeline`]),
    ...(remediations.length > snapshotsMax
      ? [`names of snapshots beyond the latest ${snapshotsMax} remediations`]
      : []),
    ...made.collected.flatMap((one) => sayMissing(one).map((text) => text.slice(0, textMax))),
  ];
  const index = { format: 'plumbline.evidence/1', subject, vm, vmName, ...made, snapshots, timeline: entries, missing };
  return wellFormed(index) as EvidenceIndex;
}

function sayMissing({ item, found, readBytes, why }: CollectedItem): string[] {
  const what = `${item.kind} ${item.id} of ${item.host}`;
  switch (found) {
    case 'whole':
    case 'not-read':
      return [];
    case 'cut-short':
      return [`${what}: only the first ${readBytes} of ${item.sizeBytes} bytes could be read, zeros follow: ${why}`];
    case 'differs':
      return [`${what} is not what was collected: ${why}`];
    case 'gone':
    case 'unreachable':
    case 'removed':
    case 'lost':
      return [`${what}: ${found}: ${why}`];
  }
}

/** Canonical JSON has no place for half a character, which a guest may have put into a name. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, wellFormed(of)]));
}

function plain(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
}
