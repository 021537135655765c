// A map that cannot grow past its limit: the entry not used for longest leaves first, and every departure is counted.

export class RecentMap<K, V> {
  readonly limit: number;
  #entries = new Map<K, V>();
  #evicted = 0;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new RangeError(`map limit must be a positive integer, not ${limit}`);
    this.limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** How many entries had to leave since the map was made. */
  get evicted(): number {
    return this.#evicted;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  /** Looks without counting as a use. */
  peek(key: K): V | undefined {
    return this.#entries.get(key);
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.limit) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done === true) return;
    this.#entries.delete(oldest.value);
    this.#evicted += 1;
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  entries(): MapIterator<[K, V]> {
    return this.#entries.entries();
  }

  values(): MapIterator<V> {
    return this.#entries.values();
  }
}
