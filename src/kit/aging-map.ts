// A map that cannot grow past its limit, for what is asked far more often than it changes: entries are young or old, and what was
// not asked for while the young filled up once is forgotten. Every departure is counted.

export class AgingMap<K, V> {
  /** Of each age. */
  readonly limit: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  #forgotten = 0;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new RangeError(`map limit must be a positive integer, not ${limit}`);
    this.limit = limit;
  }

  /** Twice the limit at most. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** How many entries had to leave since the map was made. */
  get forgotten(): number {
    return this.#forgotten;
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined || this.#old.size === 0) return value;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.set(key, old);
    }
    return old;
  }

  set(key: K, value: V): void {
    this.#old.delete(key);
    this.#young.set(key, value);
    if (this.#young.size >= this.limit) this.age();
  }

  /** The young become old, and the old are forgotten. */
  age(): void {
    this.#forgotten += this.#old.size;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
