// Work that is done again and again, one run at a time: at its own pace, soon after somebody asked, and soon after something
// happened outside. What happens in a burst is one run, and what others cause takes no more than a share of the time.
import type { Clock } from '../../kit/clock.ts';

export interface PacedWork {
  /** In `inMs` at the latest; while it runs, so long after that run, which may have passed by what is meant. */
  soon(inMs: number): void;
  /** Something happened: as soon as it has settled, and has rested from the run before. */
  nudge(): void;
  /** No run begins any more; resolves when the one under way has ended. */
  close(): Promise<void>;
}

/** Events of one cause arrive within this. */
export const settleMs = 250;
const restMsMin = 1000;
/** Rest after a run, for each millisecond it took: a fifth of the time is spent on what others cause. */
const restShare = 4;

/** `work` answers in how many milliseconds it is due again, and never throws. The first run is after `firstMs`. */
export function pacedWork(work: () => Promise<number>, clock: Clock, firstMs: number): PacedWork {
  let timer: NodeJS.Timeout | null = null;
  let dueMs = 0;
  let restedAtMs = Number.NEGATIVE_INFINITY;
  /** What was asked for while it ran. */
  let askedMs = Number.POSITIVE_INFINITY;
  let isNudged = false;
  let isClosed = false;
  let running = Promise.resolve();

  async function run(): Promise<void> {
    const beganMs = clock.monotonic();
    const pauseMs = await work();
    if (isClosed) return;
    const endedMs = clock.monotonic();
    const restMs = Math.max(restMsMin, (endedMs - beganMs) * restShare);
    restedAtMs = endedMs + restMs;
    begin(Math.min(pauseMs, askedMs, isNudged ? restMs : pauseMs));
    askedMs = Number.POSITIVE_INFINITY;
    isNudged = false;
  }

  function begin(inMs: number): void {
    if (timer !== null) clearTimeout(timer);
    dueMs = clock.monotonic() + inMs;
    timer = setTimeout(() => {
      timer = null;
      running = run();
    }, inMs).unref();
  }

  function beginBy(inMs: number): void {
    if (dueMs > clock.monotonic() + inMs) begin(inMs);
  }

  begin(firstMs);
  return {
    soon(inMs) {
      if (isClosed) return;
      if (timer === null) askedMs = Math.min(askedMs, inMs);
      else beginBy(inMs);
    },
    nudge() {
      if (isClosed) return;
      if (timer === null) isNudged = true;
      else beginBy(Math.max(settleMs, restedAtMs - clock.monotonic()));
    },
    async close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      await running;
    },
  };
}
