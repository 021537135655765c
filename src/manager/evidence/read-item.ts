// Reads an item from its sentinel, chunk by chunk, and believes nothing of it: each chunk must be the one that was asked for, and the
// whole must have the size and the hash that were reported when it was collected.
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Compile } from 'typebox/compile';
import { isoTime } from '../../kit/clock.ts';
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { CollectedItem, ItemFound } from '../../model/evidence.ts';
import type { SentinelEnd } from '../../wire/link.ts';
import { chunkBytesMax, EvidenceChunk, payloadTypes, type EvidenceQuestion } from '../../wire/messages.ts';
import type { Desk } from '../desk.ts';
import { sayRemoval } from '../ingest/evidence.ts';
import type { StoredEvidence } from '../store/evidence.ts';
import { isOwnHost } from './own-items.ts';
import { openOwnItem } from './read-own-item.ts';

/** What the reading of all items of one bundle has in common. */
export interface Reading {
  readonly desk: Pick<Desk, 'clock' | 'seals' | 'sentinels' | 'closing' | 'platformFiles'>;
  /** Sentinels that did not answer: they are not waited for again, item by item. */
  readonly away: Set<string>;
}

/** What there is to say of an item that has ended before a byte of it was written, or after all of them were. */
export interface ItemEnd {
  readonly found: ItemFound;
  readonly readBytes: number;
  readonly why: string;
}

export type OpenedItem =
  | { readonly isThere: false; readonly end: ItemEnd }
  | { readonly isThere: true; readonly sizeBytes: number; chunks(): AsyncGenerator<Buffer, ItemEnd> };

const answerMsMax = 30_000;
const questionLifeMs = 60_000;
const retriesMax = 3;
const retryMs = 500;
const shape = Compile(EvidenceChunk);

/** Asks for the beginning: whoever is away, or has it no more, is known before anything of it is promised. */
export async function openItem(reading: Reading, stored: StoredEvidence): Promise<OpenedItem> {
  const { item } = stored;
  const { sizeBytes } = item;
  const nothing = (found: ItemFound, why: string): OpenedItem => ({
    isThere: false,
    end: { found, readBytes: 0, why },
  });
  if (item.state === 'lost' || sizeBytes === null) return nothing('lost', item.note);
  if (item.state === 'removed')
    return nothing(
      'removed',
      `removed at ${item.removedAt} ${item.removedBy === null ? '' : sayRemoval(item.removedBy)}`,
    );
  if (isOwnHost(item.host)) return await openOwnItem(reading.desk.platformFiles, stored);
  const first = await askAgain(reading, stored, 0);
  if (!first.ok) return nothing(foundBy(first.error), sayProblem(first.error));
  return { isThere: true, sizeBytes, chunks: () => chunksFrom(reading, stored, sizeBytes, first.value) };
}

/** The index's word for an item whose bytes nobody asked for. */
export function unread({ item }: StoredEvidence): CollectedItem {
  const found = item.state === 'kept' ? 'not-read' : item.state;
  return { item, found, member: null, readBytes: 0, why: '' };
}

async function* chunksFrom(
  reading: Reading,
  stored: StoredEvidence,
  sizeBytes: number,
  first: Buffer,
): AsyncGenerator<Buffer, ItemEnd> {
  const hash = createHash('sha256');
  let chunk = first;
  let readBytes = 0;
  for (;;) {
    hash.update(chunk);
    readBytes += chunk.length;
    yield chunk;
    if (readBytes >= sizeBytes) break;
    const next = await askAgain(reading, stored, readBytes);
    if (!next.ok) return { found: 'cut-short', readBytes, why: sayProblem(next.error) };
    chunk = next.value;
  }
  const sha256 = hash.digest('hex');
  if (sha256 === stored.item.sha256) return { found: 'whole', readBytes, why: '' };
  const why = `its sha256 is ${sha256}, and was ${stored.item.sha256} when it was collected`;
  return { found: 'differs', readBytes, why };
}

/** A sentinel that is away for a moment costs no bundle; one that refuses is not asked twice. */
async function askAgain(reading: Reading, stored: StoredEvidence, offset: number): Promise<Result<Buffer>> {
  const { desk, away } = reading;
  const { host } = stored.item;
  if (away.has(host)) return fail(problem('interrupted', `Sentinel ${host} did not answer before.`));
  // Who is not there when an item is begun is not there; who goes in the middle of one may come back.
  const triesMax = offset === 0 ? 1 : retriesMax;
  for (let tries = 1; ; tries += 1) {
    const answer = await ask(reading, stored, offset);
    const mayPass = !answer.ok && (answer.error.kind === 'interrupted' || answer.error.kind === 'failed');
    if (!mayPass) return answer;
    if (tries >= triesMax || desk.closing.aborted) {
      away.add(host);
      return answer;
    }
    await wait(retryMs * tries);
  }
}

async function ask(reading: Reading, { item, reportedAs }: StoredEvidence, offset: number): Promise<Result<Buffer>> {
  const { desk } = reading;
  const end = desk.sentinels.find(item.host);
  if (end === null) return fail(problem('interrupted', `Sentinel ${item.host}, which has it, is not connected.`));
  const bytes = Math.max(1, Math.min(chunkBytesMax, (item.sizeBytes ?? 0) - offset));
  const expiresAt = isoTime(desk.clock.now() + questionLifeMs);
  const question: EvidenceQuestion = { sentinel: item.host, item: reportedAs, offset, bytes, expiresAt };
  const answer = await inTime(reading, end, question);
  if (!answer.ok) return answer;
  const chunk = answer.value;
  if (!shape.Check(chunk)) return fail(problem('unreadable', `What ${item.host} answered is no part of any evidence.`));
  const data = Buffer.from(chunk.data, 'base64');
  const wanted = Math.min(bytes, (item.sizeBytes ?? 0) - offset);
  if (chunk.item !== reportedAs || chunk.offset !== offset)
    return fail(problem('unreadable', `${item.host} answered with another part than the one at byte ${offset}.`));
  if (chunk.sizeBytes !== item.sizeBytes || data.length !== wanted)
    return fail(
      problem('unreadable', `${item.host} has ${chunk.sizeBytes} bytes of it, and ${item.sizeBytes} were collected.`),
    );
  return ok(data);
}

async function inTime({ desk }: Reading, end: SentinelEnd, question: EvidenceQuestion): Promise<Result<EvidenceChunk>> {
  const late = Promise.withResolvers<Result<EvidenceChunk>>();
  const silent = fail(problem('interrupted', `Sentinel ${end.sentinel} does not answer.`));
  const giveUp = (): void => late.resolve(silent);
  const timer = setTimeout(giveUp, answerMsMax);
  desk.closing.addEventListener('abort', giveUp);
  try {
    return await Promise.race([end.evidence(desk.seals.seal(payloadTypes.evidenceQuestion, question)), late.promise]);
  } catch {
    return silent;
  } finally {
    clearTimeout(timer);
    desk.closing.removeEventListener('abort', giveUp);
  }
}

function foundBy({ kind }: Problem): ItemFound {
  if (kind === 'not-found') return 'gone';
  return kind === 'unreadable' ? 'differs' : 'unreachable';
}
