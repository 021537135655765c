// Entries of a manifest arranged by keys, as linked lists of numbers: an array for each key would cost more than the entries.

const end = -1;

export class Chains<K> {
  readonly #heads = new Map<K, number>();
  readonly #next: Int32Array;

  /** Items are numbers from 0 up to but not including `items`; each stands in one chain at most. */
  constructor(items: number) {
    this.#next = new Int32Array(items).fill(end);
  }

  /** Puts the item first in its chain. */
  add(key: K, item: number): void {
    this.#next[item] = this.#heads.get(key) ?? end;
    this.#heads.set(key, item);
  }

  *of(key: K): Generator<number> {
    for (let item = this.#heads.get(key) ?? end; item !== end; item = this.#next[item] ?? end) yield item;
  }
}
