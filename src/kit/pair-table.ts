// A map from pairs of numbers to numbers in one typed array: a fraction of the memory of a map keyed by texts or objects, and
// one walk of memory for each question.

const cellsOfPair = 3;
const firstCapacity = 16;
const absent = -1;

export class PairTable {
  /** Capacity times first, second, value; a value of -1 marks a free place. */
  #cells = new Int32Array(cellsOfPair * firstCapacity).fill(absent);
  #mask = firstCapacity - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** -1 when the pair is not in the table. Numbers are 32-bit integers. */
  get(first: number, second: number): number {
    return this.#cells[this.#find(first, second) + 2] ?? absent;
  }

  /** `value` is 0 or more. */
  set(first: number, second: number, value: number): void {
    let at = this.#find(first, second);
    if (this.#cells[at + 2] === absent) {
      // Never so full that runs grow long.
      if (4 * (this.#size + 1) > 3 * this.#mask) {
        this.#grow();
        at = this.#find(first, second);
      }
      this.#size += 1;
    }
    this.#cells[at] = first;
    this.#cells[at + 1] = second;
    this.#cells[at + 2] = value;
  }

  /** Where the pair is, or the free place where it would be. */
  #find(first: number, second: number): number {
    const cells = this.#cells;
    let place = mix(first, second) & this.#mask;
    for (;;) {
      const at = place * cellsOfPair;
      if (cells[at + 2] === absent || (cells[at] === first && cells[at + 1] === second)) return at;
      place = (place + 1) & this.#mask;
    }
  }

  #grow(): void {
    const before = this.#cells;
    const capacity = 2 * (this.#mask + 1);
    this.#cells = new Int32Array(cellsOfPair * capacity).fill(absent);
    this.#mask = capacity - 1;
    for (let at = 0; at < before.length; at += cellsOfPair) {
      if (before[at + 2] === absent) continue;
      const to = this.#find(before[at] ?? 0, before[at + 1] ?? 0);
      for (let cell = 0; cell < cellsOfPair; cell += 1) this.#cells[to + cell] = before[at + cell] ?? absent;
    }
  }
}

/** The finaliser of MurmurHash3 (Austin Appleby, public domain) over both numbers. */
function mix(first: number, second: number): number {
  let mixed = Math.imul(first, 0x9e_37_79_b1) ^ second;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85_eb_ca_6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2_b2_ae_35);
  return mixed ^ (mixed >>> 16);
}
