// When to look at a guest's processes again. Pure: times come in, a decision goes out. Looks are rare while nothing starts in the
// guest, and come in quick succession while what one saw waits to be proven by the next.

/** While something starts or is connected in the guest. */
const busyMs = 10_000;
/** While nothing does. What runs already can still be changed: no guest goes unlooked at for longer. */
const idleMs = 30_000;
const againMs = 1_000;
/** In a row; a guest that always has something half proven must not be looked at all the time. */
const againMax = 8;

export class ProcessPace {
  #lastMs = Number.NEGATIVE_INFINITY;
  #stirred = 0;
  #again = 0;

  /** `stirred`: a count that moves whenever something starts or is connected in the guest; read only when it matters. */
  due(nowMs: number, stirred: () => number): boolean {
    const sinceMs = nowMs - this.#lastMs;
    if (sinceMs >= idleMs || (this.#again > 0 && sinceMs >= againMs)) return true;
    return sinceMs >= busyMs && stirred() !== this.#stirred;
  }

  /** A look was taken. `unsettled`: it saw something that further looks may prove. */
  done(nowMs: number, stirred: number, unsettled: boolean): void {
    this.#lastMs = nowMs;
    this.#stirred = stirred;
    this.#again = unsettled && this.#again < againMax ? this.#again + 1 : 0;
  }
}
