// How long recordings last: from the first to the last event of each machine in each recording.
import type { RawEvent } from '../model/raw-event.ts';
import type { Marks } from './marks.ts';

const spansMax = 100_000;

export class TimeSpans {
  readonly #spans = new Map<string, { first: number; last: number }>();

  take({ host, ts }: RawEvent, { rec }: Marks): void {
    const at = ts === undefined ? Number.NaN : Date.parse(ts.replace(' ', 'T'));
    if (Number.isNaN(at)) return;
    const key = `${host}\n${rec}`;
    const known = this.#spans.get(key);
    if (known === undefined) {
      if (this.#spans.size < spansMax) this.#spans.set(key, { first: at, last: at });
      return;
    }
    known.first = Math.min(known.first, at);
    known.last = Math.max(known.last, at);
  }

  /** All machines and recordings together. */
  seconds(): number {
    let sum = 0;
    for (const { first, last } of this.#spans.values()) sum += last - first;
    return sum / 1000;
  }
}
