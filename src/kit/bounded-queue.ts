// A queue that cannot grow past its limit: what does not fit is refused and counted, never silently lost.

export class BoundedQueue<T> {
  readonly limit: number;
  #items: T[] = [];
  #refused = 0;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new RangeError(`queue limit must be a positive integer, not ${limit}`);
    this.limit = limit;
  }

  get size(): number {
    return this.#items.length;
  }

  /** How many items were refused since the queue was made. */
  get refused(): number {
    return this.#refused;
  }

  /** False when the queue is full; the item is then counted in `refused`. */
  offer(item: T): boolean {
    if (this.#items.length >= this.limit) {
      this.#refused += 1;
      return false;
    }
    this.#items.push(item);
    return true;
  }

  /** Removes and returns up to `most` items, oldest first. */
  take(most: number): T[] {
    return this.#items.splice(0, most);
  }
}
