// What was wrong with the recordings an evaluation read: counted by reason, with the first place of each. Nothing here ends an
// evaluation, and nothing is left out without being counted.
import { RecentMap } from '../kit/recent-map.ts';
import type { RawEvent } from '../model/raw-event.ts';
import { Tally } from './tally.ts';

export interface InputNote {
  readonly reason: string;
  readonly count: number;
  readonly first: string;
}

const hostsMax = 10_000;
const pidsMax = 200_000;

export class InputNotes {
  readonly #tally = new Tally();
  readonly #newest = new RecentMap<string, number>(hostsMax);
  /** Parent of every process that has started and not ended, by host and pid. */
  readonly #alive = new RecentMap<string, number | null>(pidsMax);

  add(reason: string, place: string): void {
    this.#tally.add(reason, place);
  }

  /** Looks for what is odd about an event that can be used all the same. */
  check(event: RawEvent, place: string): void {
    this.#checkClock(event, place);
    if (event.pid === undefined) return;
    const key = `${event.host}\n${event.pid}`;
    if (event.kind === 'process_exit') this.#alive.delete(key);
    if (event.kind !== 'process_start') return;
    const before = this.#alive.peek(key);
    // The same process may run one program after the other; another parent means another process.
    if (before !== undefined && before !== (event.ppid ?? null))
      this.add('A process started under a pid whose process had not ended.', place);
    this.#alive.set(key, event.ppid ?? null);
  }

  #checkClock({ host, ts }: RawEvent, place: string): void {
    if (ts === undefined) return;
    const at = Date.parse(ts.replace(' ', 'T'));
    if (Number.isNaN(at)) return this.add('The time cannot be on any clock.', place);
    const newest = this.#newest.get(host);
    if (newest !== undefined && at < newest) this.add('The clock of the host went backwards.', place);
    else this.#newest.set(host, at);
  }

  /** Most frequent first. */
  entries(): InputNote[] {
    return this.#tally.entries().map(({ word, count, first }) => ({ reason: word, count, first }));
  }
}
