// How behaviours were met and met again while a service was learned, stretch of work by stretch of work: what a forecast of the
// unseen rests on. As Episodes does it for one activity after the other, for batches that tell how often each was seen; bounded
// however long learning goes on.
import { discounts, type Run } from '../../kit/discovery-record.ts';
import { episodeLength } from './episodes.ts';

export interface Discoveries {
  /** Activities in all. */
  readonly taken: number;
  /** Activities that one run stands for: when there are many runs, neighbours become one. */
  readonly runLength: number;
  /** In order; the last may still be growing. */
  readonly runs: readonly Run[];
  /** Behaviours of the stretch of work that has not ended. */
  readonly current: readonly string[];
}

export const noDiscoveries: Discoveries = { taken: 0, runLength: episodeLength, runs: [], current: [] };

/** One behaviour in a batch: how often it is there, and in how many stretches of work it was drawn before. */
export interface Met {
  readonly behaviour: string;
  readonly count: number;
  readonly drawnBefore: number;
}

export interface Discovered {
  readonly discoveries: Discoveries;
  /** By behaviour: how often it has been drawn now. */
  readonly drawn: ReadonlyMap<string, number>;
}

const runsMax = 64;
/** A batch says how often each behaviour was seen and not in which order; repetitions beyond this say nothing more. */
const repetitionsMax = 10_000;

export function discover(before: Discoveries, batch: readonly Met[]): Discovered {
  const total = batch.reduce((sum, { count }) => sum + Math.min(count, repetitionsMax), 0);
  if (total === 0) return { discoveries: before, drawn: new Map() };
  const work = stretchesOfWork(before, batch, total);
  const drawn = new Map(batch.map(({ behaviour, drawnBefore }) => [behaviour, drawnBefore]));
  let { runLength } = before;
  let runs = [...before.runs];
  for (const [at, seen] of work.entries()) {
    const last = runs.at(-1);
    const run = runOf(seen, drawn, activitiesIn(at, before.taken % episodeLength, total));
    if (last === undefined || last.taken >= runLength) runs.push(run);
    else runs[runs.length - 1] = together(last, run);
    if (runs.length <= runsMax) continue;
    runs = inPairs(runs);
    runLength *= 2;
  }
  const taken = before.taken + total;
  const open = [...(work.length === 1 ? before.current : []), ...(work.at(-1) ?? [])];
  const current = taken % episodeLength === 0 ? [] : open;
  return { discoveries: { taken, runLength, runs, current }, drawn };
}

/**
 * For each stretch of work that the batch touches, the behaviours seen in it and not counted for it before. One seen several times
 * is taken to have been spread over the batch, beginning where it stands.
 */
function stretchesOfWork(before: Discoveries, batch: readonly Met[], total: number): readonly ReadonlySet<string>[] {
  const done = before.taken % episodeLength;
  const work = Array.from({ length: Math.ceil((done + total) / episodeLength) }, () => new Set<string>());
  const current = new Set(before.current);
  let place = done;
  for (const { behaviour, count } of batch) {
    const times = Math.min(count, repetitionsMax);
    const first = Math.floor(place / episodeLength);
    for (let turn = 0; turn < Math.min(times, work.length); turn += 1) {
      const at = (first + turn) % work.length;
      if (at !== 0 || !current.has(behaviour)) work[at]?.add(behaviour);
    }
    place += times;
  }
  return work;
}

function activitiesIn(stretch: number, done: number, total: number): number {
  const from = Math.max(done, stretch * episodeLength);
  return Math.min(done + total, (stretch + 1) * episodeLength) - from;
}

/** Counts on in `drawn`. */
function runOf(seen: ReadonlySet<string>, drawn: Map<string, number>, taken: number): Run {
  const again = discounts.map(() => 0);
  let fresh = 0;
  for (const behaviour of seen) {
    const before = drawn.get(behaviour) ?? 0;
    drawn.set(behaviour, before + 1);
    if (before === 0) fresh += 1;
    else for (const [at, discount] of discounts.entries()) again[at] = (again[at] ?? 0) + Math.log(before - discount);
  }
  return { taken, drawn: seen.size, fresh, again };
}

function together(a: Run, b: Run): Run {
  return {
    taken: a.taken + b.taken,
    drawn: a.drawn + b.drawn,
    fresh: a.fresh + b.fresh,
    again: a.again.map((sum, at) => sum + (b.again[at] ?? 0)),
  };
}

function inPairs(runs: readonly Run[]): Run[] {
  return runs.flatMap((run, at) => {
    if (at % 2 === 1) return [];
    const second = runs[at + 1];
    return [second === undefined ? run : together(run, second)];
  });
}
