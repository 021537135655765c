// Lines of a recording that were seen before, but for their gaps (line-gaps.ts), found again without being parsed. They are compared
// byte by byte: the hash only says where to look, so that whoever writes lines can make this slow at worst, never wrong. Bounded.
import { type LineGaps, gap } from './line-gaps.ts';

/** Of the usual memory: several for each line that is kept. */
const usualSlots = 131_072;
const slotCells = 3;
const probes = 4;
const valuesMax = 32_768;
const arenaWordsMax = 4 * 1024 * 1024;
const lineBytesMax = 2048;
/** Room for what stands for the gaps. */
const keyBytesMax = lineBytesMax + 512;

/** Cells of a slot: hash, where the key lies in the arena or one of these, number of its value. */
const free = 0;
const seenOnce = -1;

/** No line holds one, so that a gap cannot be taken for text. */
const newline = 0x0a;
const digitZero = 0x30;
const digitNine = 0x39;

export class LineMemory<T> {
  readonly #slots: number;
  readonly #table: Int32Array;
  /** Each key with its length in bytes before it. */
  #arena = new Int32Array(16_384);
  #used = 1;
  #values: T[] = [];
  #forgotten = 0;
  /** Of the line that was asked for last; 0 bytes = it is too long to be remembered. */
  readonly #key = Buffer.alloc(keyBytesMax);
  readonly #keyWords = new Int32Array(this.#key.buffer, this.#key.byteOffset, keyBytesMax / 4);
  #keyBytes = 0;
  #hash = 0;
  #slot = 0;

  /** `slots` is a power of two. */
  constructor(slots: number = usualSlots) {
    this.#slots = slots;
    this.#table = new Int32Array(slotCells * slots);
  }

  /** Lines that were remembered and had to leave. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** What was kept of a line that is the same but for its gaps; null = none is known. */
  recall(bytes: Buffer, start: number, end: number, gaps: LineGaps): T | null {
    this.#keyBytes = end - start > lineBytesMax ? 0 : this.#makeKey(bytes, start, end, gaps);
    if (this.#keyBytes === 0) return null;
    const table = this.#table;
    const hash = hashOf(this.#keyWords, this.#keyBytes);
    this.#hash = hash;
    this.#slot = (hash & (this.#slots - 1)) * slotCells;
    for (let probe = 0; probe < probes; probe += 1) {
      const slot = ((hash + probe) & (this.#slots - 1)) * slotCells;
      const at = table[slot + 1] ?? free;
      const isOurs = table[slot] === hash;
      if (at === free || isOurs) this.#slot = slot;
      if (at === free) return null;
      if (isOurs) return at !== seenOnce && this.#isKeyAt(at) ? (this.#values[table[slot + 2] ?? 0] ?? null) : null;
    }
    return null;
  }

  /** The bytes of the line, with each gap's kind instead of what stands in it, and of a time also its form. */
  #makeKey(bytes: Buffer, start: number, end: number, { count, kinds, starts, ends }: LineGaps): number {
    const key = this.#key;
    let length = 0;
    let from = start;
    for (let each = 0; each < count; each += 1) {
      const gapStart = starts[each] ?? 0;
      const gapEnd = ends[each] ?? 0;
      const kind = kinds[each] ?? 0;
      length += bytes.copy(key, length, from, gapStart);
      key[length] = newline;
      key[length + 1] = kind;
      length += 2;
      if (kind === gap.time) {
        for (let at = gapStart; at < gapEnd; at += 1, length += 1) {
          const byte = bytes[at] ?? 0;
          key[length] = byte >= digitZero && byte <= digitNine ? digitZero : byte;
        }
      }
      from = gapEnd;
    }
    length += bytes.copy(key, length, from, end);
    // The hash takes eight bytes at a time, and an earlier line may have left something here.
    key.fill(0, length, length + 8);
    return length;
  }

  #isKeyAt(at: number): boolean {
    const arena = this.#arena;
    const words = this.#keyWords;
    if (arena[at] !== this.#keyBytes) return false;
    const count = (this.#keyBytes + 3) >>> 2;
    for (let word = 0; word < count; word += 1) if (arena[at + 1 + word] !== words[word]) return false;
    return true;
  }

  /** Marks the line that was not found; true when its like was marked before, so that it is worth remembering. */
  mark(): boolean {
    if (this.#keyBytes === 0) return false;
    const table = this.#table;
    const at = table[this.#slot + 1] ?? free;
    if (at !== free && table[this.#slot] === this.#hash) return at === seenOnce;
    // All its places are taken: the first makes way.
    if (at > 0) this.#forgotten += 1;
    table[this.#slot] = this.#hash;
    table[this.#slot + 1] = seenOnce;
    return false;
  }

  /** Keeps a value for the line that was marked and all its likes. When it is full, everything is forgotten. */
  remember(value: T): void {
    const words = (this.#keyBytes + 3) >>> 2;
    if (this.#values.length === valuesMax || !this.#makeRoom(1 + words)) return this.#forget();
    this.#table[this.#slot + 1] = this.#used;
    this.#table[this.#slot + 2] = this.#values.push(value) - 1;
    this.#arena[this.#used] = this.#keyBytes;
    this.#arena.set(this.#keyWords.subarray(0, words), this.#used + 1);
    this.#used += 1 + words;
  }

  #makeRoom(words: number): boolean {
    if (this.#used + words <= this.#arena.length) return true;
    if (this.#arena.length === arenaWordsMax) return false;
    const larger = new Int32Array(2 * this.#arena.length);
    larger.set(this.#arena);
    this.#arena = larger;
    return true;
  }

  #forget(): void {
    this.#forgotten += this.#values.length;
    this.#values = [];
    this.#table.fill(free);
    this.#used = 1;
  }
}

/** Two sums side by side, since one would wait for itself. */
function hashOf(words: Int32Array, bytes: number): number {
  let even = bytes;
  let odd = 0;
  for (let at = 0; at < (bytes + 3) >>> 2; at += 2) {
    even = Math.imul(even, 0x9e_37_79_b1) + (words[at] ?? 0);
    odd = Math.imul(odd, 0x85_eb_ca_6b) + (words[at + 1] ?? 0);
  }
  let mixed = even ^ Math.imul(odd ^ (odd >>> 15), 0x27_d4_eb_2f);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0xc2_b2_ae_35);
  return mixed ^ (mixed >>> 13);
}
