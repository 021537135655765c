// Ports and what hangs on them: single ports by look-up, ranges as intervals of which one question touches few.
import type { PortPattern } from '../../pattern/port-pattern.ts';

interface Range<T> {
  readonly port: PortPattern;
  readonly value: T;
  /** The highest port of this range and all that begin before it. */
  readonly reach: number;
}

export class PortIndex<T> {
  readonly #single = new Map<number, T>();
  readonly #wide = new Map<string, { readonly port: PortPattern; readonly value: T }>();
  /** By where they begin; null = not sorted since the last was added. */
  #ranges: readonly Range<T>[] | null = null;

  /** What hangs on exactly this port or range. */
  get({ low, high }: PortPattern): T | undefined {
    return low === high ? this.#single.get(low) : this.#wide.get(`${low}-${high}`)?.value;
  }

  set(port: PortPattern, value: T): void {
    const { low, high } = port;
    if (low === high) this.#single.set(low, value);
    else this.#wide.set(`${low}-${high}`, { port, value });
    this.#ranges = null;
  }

  /** The ranges of more than one port that hold it. */
  /** The ranges of more than one port that hold it. */
  *ranges(port: number): Generator<T> {
    const ranges = (this.#ranges ??= this.#sorted());
    for (let at = lastFrom(ranges, port); at >= 0; at -= 1) {
      const range = ranges[at];
      if (range === undefined || range.reach < port) return;
      if (range.port.high >= port) yield range.value;
    }
  }

  #sorted(): readonly Range<T>[] {
    let reach = -1;
    const ranges = [...this.#wide.values()].sort((a, b) => a.port.low - b.port.low);
    return ranges.map((range) => {
      reach = Math.max(reach, range.port.high);
      return { ...range, reach };
    });
  }
}

/** The last range that begins at or below the port; -1 = none. */
function lastFrom<T>(ranges: readonly Range<T>[], port: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.port.low ?? 0) <= port) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
