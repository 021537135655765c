// In how many stretches of work each behaviour was seen. Work comes in bursts: what a job does once, it does ten times in a second,
// and counting that as ten would make the job look well known. The statistics of the unseen hold for stretches, not for events.
import { type Frequencies, frequenciesOf } from '../../kit/unseen-species.ts';

/** Activities in a row that count as one stretch of work. */
export const episodeLength = 25;
const behavioursMax = 200_000;

export class Episodes {
  readonly #counts = new Map<string, number>();
  readonly #current = new Set<string>();
  #taken = 0;

  /** `behaviour` = any text that is the same for the same behaviour. True when it was never seen before. */
  take(behaviour: string): boolean {
    const isNew = !this.#counts.has(behaviour) && this.#counts.size < behavioursMax;
    if (!this.#current.has(behaviour)) {
      this.#current.add(behaviour);
      if (isNew || this.#counts.has(behaviour)) this.#counts.set(behaviour, (this.#counts.get(behaviour) ?? 0) + 1);
    }
    this.#taken += 1;
    if (this.#taken % episodeLength === 0) this.#current.clear();
    return isNew;
  }

  has(behaviour: string): boolean {
    return this.#counts.has(behaviour);
  }

  /** Activities seen in all. */
  get taken(): number {
    return this.#taken;
  }

  /** How many behaviours were seen in exactly so many stretches. */
  frequencies(): Frequencies {
    return frequenciesOf(this.#counts.values());
  }
}
