// What a trace may cost the guest: stops and time stood still, per second of the last one.
export interface TraceBudget {
  readonly stopsPerSecondMax: number;
  readonly stolenMsPerSecondMax: number;
}

export const defaultBudget: TraceBudget = { stopsPerSecondMax: 4_000, stolenMsPerSecondMax: 700 };

const slots = 10;
const slotMs = 100;

/** Sums over a sliding second, in tenths. */
export class BudgetMeter {
  readonly #budget: TraceBudget;
  readonly #stops = new Float64Array(slots);
  readonly #stolenMs = new Float64Array(slots);
  #slot = 0;

  constructor(budget: TraceBudget) {
    this.#budget = budget;
  }

  /** Counts a stop; true when the last second cost more than it may. `atMs` never goes back. */
  spend(atMs: number, stolenMs: number): boolean {
    this.#turnTo(Math.floor(atMs / slotMs));
    const at = this.#slot % slots;
    this.#stops[at] = (this.#stops[at] ?? 0) + 1;
    this.#stolenMs[at] = (this.#stolenMs[at] ?? 0) + stolenMs;
    return sum(this.#stops) > this.#budget.stopsPerSecondMax || sum(this.#stolenMs) > this.#budget.stolenMsPerSecondMax;
  }

  /** Starts anew, as after a rest. */
  clear(): void {
    this.#stops.fill(0);
    this.#stolenMs.fill(0);
  }

  #turnTo(slot: number): void {
    const first = Math.max(this.#slot + 1, slot - slots + 1);
    for (let passed = first; passed <= slot; passed += 1) {
      this.#stops[passed % slots] = 0;
      this.#stolenMs[passed % slots] = 0;
    }
    this.#slot = Math.max(this.#slot, slot);
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
