// When a trace that cost the guest too much takes its points out, and when it may put them back.
const firstRestMs = 2_000;
const longestRestMs = 30_000;
/** A trace that gets along for so long has recovered: the next rest is short again. */
const recoveredMs = 10_000;
/** Stops that one new process brings about: its fork, its exec, its exit and what it does between. */
const stopsPerFork = 4;

export class Rest {
  #restMs = firstRestMs;
  #sinceMs: number | null = null;
  #backMs = -recoveredMs;

  get resting(): boolean {
    return this.#sinceMs !== null;
  }

  begin(atMs: number): void {
    this.#restMs = atMs - this.#backMs < recoveredMs ? Math.min(this.#restMs * 2, longestRestMs) : firstRestMs;
    this.#sinceMs = atMs;
  }

  /** Long enough, and the guest is calm enough for a trace. */
  isOver(atMs: number, forksPerSecond: number, stopsPerSecondMax: number): boolean {
    const longEnough = this.#sinceMs !== null && atMs - this.#sinceMs >= this.#restMs;
    return longEnough && forksPerSecond * stopsPerFork < stopsPerSecondMax;
  }

  end(atMs: number): void {
    this.#sinceMs = null;
    this.#backMs = atMs;
  }
}
