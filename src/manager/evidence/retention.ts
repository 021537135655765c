// Tells every sentinel what it must keep and what has had its time: what an open alarm needs or a person holds is kept, of the rest the
// oldest goes when it is too old or all of it is too much. What is removed is told back and stands in the audit log.
import { isoTime } from '../../kit/clock.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { EvidenceView } from '../../model/evidence.ts';
import { payloadTypes, type EvidenceRetention } from '../../wire/messages.ts';
import type { Desk } from '../desk.ts';
import { keptEvidence, type StoredEvidence } from '../store/evidence.ts';
import { viewEvidence } from './kept-for.ts';
import { isOwnHost } from './own-items.ts';
import { removeOwnItem } from './platform-captures.ts';

export interface RetentionLimits {
  readonly ageMsMax: number;
  /** Of all hosts together. */
  readonly bytesMax: number;
}

type RetentionDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements' | 'sentinels' | 'seals' | 'platformFiles'>;

export interface RetentionKeeper {
  /** Something may be kept, or go, that was not before; a sentinel came. */
  wake(): void;
  close(): Promise<void>;
}

const everyMs = 5 * 60_000;
/** What changes at once is told at once. */
const gatherMs = 200;
/** More than all hosts may report; as many as one word names. */
const itemsMax = 100_000;
const namedMax = 20_000;

export function keepRetention(desk: RetentionDesk, limits: RetentionLimits): RetentionKeeper {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let isClosed = false;

  const again = (ms: number): void => {
    if (timer !== null) clearTimeout(timer);
    timer = isClosed ? null : setTimeout(go, ms).unref();
  };
  const go = (): void => {
    running ??= tellAll(desk, limits).finally(() => {
      running = null;
      again(everyMs);
    });
  };
  const stopListening = desk.announcements.listen((said) => {
    if (said.kind === 'alarm' && (said.isNew || said.alarm.status !== 'open')) again(gatherMs);
  });
  again(everyMs);
  return {
    wake: () => again(gatherMs),
    async close() {
      isClosed = true;
      stopListening();
      again(0);
      await running;
    },
  };
}

async function tellAll(desk: RetentionDesk, limits: RetentionLimits): Promise<void> {
  const read = await desk.store.read(async (db) => {
    const stored = await keptEvidence(db, itemsMax);
    return {
      stored,
      views: await viewEvidence(
        db,
        stored.map(({ item }) => item),
      ),
    };
  });
  if (!read.ok) return;
  const { stored, views } = read.value;
  if (stored.length >= itemsMax) {
    // A word that left some out would let them go; without one the sentinels keep what is new.
    desk.log.error('there is more evidence than can be judged, and none of it is removed', { items: stored.length });
    return;
  }
  const nowMs = desk.clock.now();
  const going = outdated(views, limits, nowMs);
  for (const sentinel of desk.sentinels.names()) {
    const word = wordFor(sentinel, stored, views, going, isoTime(nowMs));
    const answered = await desk.sentinels
      .find(sentinel)
      ?.retain(desk.seals.seal(payloadTypes.evidenceRetention, word))
      .catch(() => null);
    if (answered?.ok === false)
      desk.log.warn('a sentinel was not told what to keep', { sentinel, why: sayProblem(answered.error) });
  }
  for (const one of stored) {
    const by = going.get(one.item.id);
    if (by !== undefined && isOwnHost(one.item.host)) await removeOwnItem(desk, one, by);
  }
}

function wordFor(
  sentinel: string,
  stored: readonly StoredEvidence[],
  views: readonly EvidenceView[],
  going: ReadonlyMap<string, 'age' | 'size'>,
  issuedAt: string,
): EvidenceRetention {
  const names = new Map(stored.map(({ item, reportedAs }) => [item.id, reportedAs]));
  const own = views.filter(({ host }) => host === sentinel);
  return {
    sentinel,
    issuedAt,
    keep: own.flatMap(({ id, keptFor }) => (keptFor === null ? [] : [names.get(id) ?? id])).slice(0, namedMax),
    remove: own
      .flatMap(({ id }) => {
        const by = going.get(id);
        return by === undefined ? [] : [{ item: names.get(id) ?? id, by }];
      })
      .slice(0, namedMax),
  };
}

/** What may go and has to, with the reason. `views`: oldest first. */
export function outdated(
  views: readonly EvidenceView[],
  { ageMsMax, bytesMax }: RetentionLimits,
  nowMs: number,
): ReadonlyMap<string, 'age' | 'size'> {
  const going = new Map<string, 'age' | 'size'>();
  let bytes = views.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
  for (const { id, madeAt, sizeBytes, keptFor } of views) {
    const isOld = nowMs - Date.parse(madeAt) > ageMsMax;
    if (keptFor !== null || (!isOld && bytes <= bytesMax)) continue;
    going.set(id, isOld ? 'age' : 'size');
    bytes -= sizeBytes ?? 0;
  }
  return going;
}
