// In how many stretches of work each behaviour was seen. Work comes in bursts: what a job does once, it does ten times in a second,
// and counting that as ten would make the job look well known. The statistics of the unseen hold for stretches, not for events.
import { DiscoveryRecord, type Run } from '../../kit/discovery-record.ts';

/** Activities in a row that count as one stretch of work. */
export const episodeLength = 25;
const behavioursMax = 200_000;

export class Episodes {
  readonly #counts = new Map<string, number>();
  readonly #current = new Set<string>();
  readonly #record = new DiscoveryRecord();
  #taken = 0;

  /** `behaviour` = any text that is the same for the same behaviour. True when it was never seen before. */
  take(behaviour: string): boolean {
    const before = this.#counts.get(behaviour);
    const isNew = before === undefined && this.#counts.size < behavioursMax;
    const isDrawn = !this.#current.has(behaviour) && (isNew || before !== undefined);
    this.#record.take(isDrawn ? (before ?? 0) : null);
    if (isDrawn) {
      this.#current.add(behaviour);
      this.#counts.set(behaviour, (before ?? 0) + 1);
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

  /** How behaviours were met and met again, each once in each stretch. */
  runs(): readonly Run[] {
    return this.#record.runs();
  }
}
