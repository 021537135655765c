// How kinds were met, for the first time and again, in the order in which that happened: what a forecast of new ones rests on. Nothing
// is known of what is counted.

/** How much less a kind weighs in an urn than it was drawn, from none to nearly one (discovery-forecast.ts). */
export const discounts: readonly number[] = Array.from({ length: 20 }, (_, at) => at / 20);

/** Some observations in a row. */
export interface Run {
  readonly taken: number;
  /** Those that count: what repeats itself in a burst is drawn once. */
  readonly drawn: number;
  /** Those of a kind that was never drawn before. */
  readonly fresh: number;
  /** For each discount the sum of log(times drawn before - discount) over the others: all that an urn's probability asks of them. */
  readonly again: readonly number[];
}

/** When there are more, neighbours become one. */
const runsMax = 512;

interface GrowingRun {
  taken: number;
  drawn: number;
  fresh: number;
  readonly again: number[];
}

export class DiscoveryRecord {
  #runs: GrowingRun[] = [];
  /** Observations in every run but the last, which may still be growing. */
  #runLength = 1;

  /** `before` = how often the kind that is observed was drawn before; 0 = never, null = it repeats itself and is not drawn. */
  take(before: number | null): void {
    const run = this.#openRun();
    run.taken += 1;
    if (before === null) return;
    run.drawn += 1;
    if (before === 0) run.fresh += 1;
    else
      for (const [at, discount] of discounts.entries())
        run.again[at] = (run.again[at] ?? 0) + Math.log(before - discount);
  }

  #openRun(): GrowingRun {
    const last = this.#runs.at(-1);
    if (last !== undefined && last.taken < this.#runLength) return last;
    if (this.#runs.length >= runsMax) {
      const pairs = Map.groupBy(this.#runs, (_, at) => Math.floor(at / 2));
      this.#runs = [...pairs.values()].map(merged);
      this.#runLength *= 2;
    }
    const opened = { taken: 0, drawn: 0, fresh: 0, again: discounts.map(() => 0) };
    this.#runs.push(opened);
    return opened;
  }

  /** In order; what is drawn later does not change them. */
  runs(): readonly Run[] {
    return this.#runs.map((run) => ({ ...run, again: [...run.again] }));
  }
}

function merged(runs: readonly GrowingRun[]): GrowingRun {
  return {
    taken: runs.reduce((sum, { taken }) => sum + taken, 0),
    drawn: runs.reduce((sum, { drawn }) => sum + drawn, 0),
    fresh: runs.reduce((sum, { fresh }) => sum + fresh, 0),
    again: discounts.map((_, at) => runs.reduce((sum, { again }) => sum + (again[at] ?? 0), 0)),
  };
}
