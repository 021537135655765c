// Tells one happening seen at several stops from several happenings. A CPU that was caught stands where it was caught until it runs
// on, and a stop of another CPU may come first; so the same is seen again. Exactly once is decided here.
import { RecentMap } from '../../kit/recent-map.ts';
import type { Sighting } from './hook.ts';

const keysMax = 16_384;

export class SightingLedger {
  /** Keys that no two happenings share. */
  readonly #told = new RecentMap<string, true>(keysMax);
  /** By CPU: what it was seen at when it was last looked at. */
  readonly #standing = new Map<number, ReadonlySet<string>>();

  /**
   * Whether this is a happening of its own. `fresh` = QEMU reported this very CPU for an access it has just made, so that it cannot
   * be the one that was seen there before.
   */
  isNew(thread: number, { key, repeatable }: Sighting, fresh: boolean): boolean {
    if (repeatable === true) return fresh || this.#standing.get(thread)?.has(key) !== true;
    return this.isFirst(key);
  }

  /** The same for a key that no two happenings share. */
  isFirst(key: string): boolean {
    if (this.#told.get(key) === true) return false;
    this.#told.set(key, true);
    return true;
  }

  /** All that a CPU was seen at in this stop; called once for each CPU and stop, after the questions. */
  standsAt(thread: number, keys: readonly string[]): void {
    // Seen at nothing, it may only be in an interrupt, and come back to where it was: a call of its own is reported or of another socket.
    if (keys.length > 0) this.#standing.set(thread, new Set(keys));
  }

  /** The guest was taken back to an earlier time: everything may happen again. */
  forget(): void {
    this.#told.clear();
    this.#standing.clear();
  }
}
