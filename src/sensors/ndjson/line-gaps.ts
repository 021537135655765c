// Where a line of a recording says what changes from one occurrence to the next: time, pids, a port that a system draws. Found by the
// text alone: whoever relies on a gap has to make sure of it (line-memory.ts), and one that is missed costs a line that is parsed.

/** What stands in a gap. A drawn port may matter all the same; whether it does, only the event tells. */
export const gap = { time: 1, pid: 2, ppid: 3, localPort: 4, remotePort: 5 } as const;

/** Linux's default net.ipv4.ip_local_port_range (Documentation/networking/ip-sysctl.rst). */
const drawn = { least: 32_768, most: 60_999 };

/** More in one line are not looked for. */
const gapsMax = 6;
const timeLengthMax = 40;
const digitsMax = 9;
const code = {
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  zero: 0x30,
  nine: 0x39,
  backslash: 0x5c,
  d: 0x64,
  e: 0x65,
  p: 0x70,
  s: 0x73,
  brace: 0x7d,
} as const;

export class LineGaps {
  #text = '';
  readonly #name = /"(?:ts|p?pid|(?:local|remote)Port)":/g;
  /** Where the next name ends; infinite when there is none. */
  #next = Number.POSITIVE_INFINITY;
  count = 0;
  /** Of each gap: what it is, and where it begins and ends in the text; in the order of the text. */
  readonly kinds = new Int32Array(gapsMax);
  readonly starts = new Int32Array(gapsMax);
  readonly ends = new Int32Array(gapsMax);

  /** `text` holds whole lines, one character a byte. */
  begin(text: string): void {
    this.#text = text;
    this.#name.lastIndex = 0;
    this.#advance();
  }

  /** Finds the gaps of the line that ends at `end`; lines come in the text's order, and none is left out. */
  find(end: number): void {
    this.count = 0;
    while (this.#next <= end) {
      const kind = this.#kindBefore(this.#next);
      const value = this.#text.charCodeAt(this.#next) === code.space ? this.#next + 1 : this.#next;
      if (kind === gap.time) this.#addTime(value);
      else this.#addNumber(kind, value);
      this.#advance();
    }
  }

  #advance(): void {
    this.#next = this.#name.test(this.#text) ? this.#name.lastIndex : Number.POSITIVE_INFINITY;
  }

  /** By the letters that tell the names apart, counted from the colon. */
  #kindBefore(end: number): number {
    const text = this.#text;
    const last = text.charCodeAt(end - 3);
    if (last === code.s) return gap.time;
    if (last === code.d) return text.charCodeAt(end - 6) === code.p ? gap.ppid : gap.pid;
    return text.charCodeAt(end - 7) === code.e ? gap.remotePort : gap.localPort;
  }

  #addTime(quote: number): void {
    const text = this.#text;
    if (text.charCodeAt(quote) !== code.quote) return;
    let end = quote + 1;
    for (let unit = text.charCodeAt(end); unit !== code.quote; unit = text.charCodeAt(end)) {
      if (unit === code.backslash || unit < code.space || end - quote > timeLengthMax || Number.isNaN(unit)) return;
      end += 1;
    }
    this.#add(gap.time, quote + 1, end);
  }

  /** A whole number as JSON writes it, and nothing behind it. */
  #addNumber(kind: number, start: number): void {
    const text = this.#text;
    let value = 0;
    let end = start;
    for (let digit = text.charCodeAt(end); digit >= code.zero && digit <= code.nine; digit = text.charCodeAt(end)) {
      value = value * 10 + digit - code.zero;
      end += 1;
    }
    const behind = text.charCodeAt(end);
    if (text.charCodeAt(start) === code.zero || end === start || end - start > digitsMax) return;
    if (behind !== code.comma && behind !== code.brace) return;
    // Adopted by init or not is more than a number.
    const isFree = kind === gap.ppid ? value !== 1 : kind === gap.pid || (value >= drawn.least && value <= drawn.most);
    if (isFree) this.#add(kind, start, end);
  }

  #add(kind: number, start: number, end: number): void {
    const at = this.count;
    if (at === gapsMax) return;
    this.kinds[at] = kind;
    this.starts[at] = start;
    this.ends[at] = end;
    this.count = at + 1;
  }
}
