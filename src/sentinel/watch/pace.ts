// When to look at a guest again. Pure: times come in, a decision goes out. Looks follow what happens in the guest, become rare
// when nothing does, and never take more of a processor than their budget; what the budget puts off is counted.

export interface PaceLimits {
  /** Between two sweeps, at least. */
  readonly minGapMs: number;
  /** After a sweep that showed something new. */
  readonly livelyMs: number;
  /** When nothing has happened for long. */
  readonly idleMs: number;
  /** Share of one processor that sweeps may take, over time. */
  readonly share: number;
  /** What may be saved up in quiet times, in milliseconds of sweeping. */
  readonly burstMs: number;
  /** A look put off for less is not counted. */
  readonly coarseMs: number;
}

export const paceDefaults: PaceLimits = {
  minGapMs: 5,
  livelyMs: 250,
  idleMs: 2000,
  share: 0.25,
  burstMs: 250,
  coarseMs: 100,
};

/** Of an unsettled look, in a row; a guest that keeps tasks half-way through an exec must not be looked at forever. */
const restlessMax = 25;
const idleGrowth = 1.5;

export interface SweepDone {
  readonly atMs: number;
  /** Processor time, not elapsed time. */
  readonly costMs: number;
  readonly lively: boolean;
  readonly lookAgain: boolean;
}

export class Pace {
  readonly #limits: PaceLimits;
  #intervalMs: number;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  #purseMs: number;
  #purseAtMs: number;
  #restless = 0;
  #lookAgain = false;
  #heldSinceMs: number | null = null;
  #heldMs = 0;

  constructor(limits: PaceLimits, nowMs: number) {
    this.#limits = limits;
    this.#intervalMs = limits.livelyMs;
    this.#purseMs = limits.burstMs;
    this.#purseAtMs = nowMs;
  }

  /** Whether to sweep now; `moved` = the guest's counters (forks, traffic) have moved since the last sweep began. */
  due(nowMs: number, moved: boolean): boolean {
    const sinceMs = nowMs - this.#lastEndMs;
    if (sinceMs < this.#gapMs(moved)) return false;
    this.#fill(nowMs);
    if (this.#purseMs >= 0) {
      this.#release(nowMs);
      return true;
    }
    this.#heldSinceMs ??= nowMs;
    return false;
  }

  /** For how long no look will be due unless something moves, in milliseconds. */
  quietMs(nowMs: number): number {
    return Math.max(0, this.#lastEndMs + this.#gapMs(false) - nowMs);
  }

  done({ atMs, costMs, lively, lookAgain }: SweepDone): void {
    this.#lastEndMs = atMs;
    this.#fill(atMs);
    this.#purseMs -= costMs;
    this.#restless = lookAgain ? this.#restless + 1 : 0;
    this.#lookAgain = lookAgain && this.#restless <= restlessMax;
    this.#intervalMs = lively ? this.#limits.livelyMs : Math.min(this.#intervalMs * idleGrowth, this.#limits.idleMs);
  }

  /**
   * Milliseconds in which a look was due and the budget forbade it, since the last call. Short delays make the resolution
   * coarser and are no time in which nobody looked.
   */
  takeHeldMs(nowMs: number): number {
    this.#release(nowMs);
    const held = this.#heldMs;
    this.#heldMs = 0;
    return held;
  }

  #gapMs(moved: boolean): number {
    if (moved) return this.#limits.minGapMs;
    // What does not settle at once is asked again less and less often.
    return this.#lookAgain ? this.#limits.minGapMs * (1 + this.#restless) : this.#intervalMs;
  }

  #release(nowMs: number): void {
    const heldMs = this.#heldSinceMs === null ? 0 : nowMs - this.#heldSinceMs;
    if (heldMs >= this.#limits.coarseMs) this.#heldMs += heldMs;
    this.#heldSinceMs = null;
  }

  #fill(nowMs: number): void {
    const earned = Math.max(0, nowMs - this.#purseAtMs) * this.#limits.share;
    this.#purseMs = Math.min(this.#purseMs + earned, this.#limits.burstMs);
    this.#purseAtMs = nowMs;
  }
}
