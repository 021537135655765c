// Counts words, and remembers where each was met first. Bounded: words beyond the limit are counted together.

const wordsMax = 200;
const others = 'other reasons';

interface Count {
  count: number;
  readonly first: string;
}

export class Tally {
  readonly #counts = new Map<string, Count>();

  add(word: string, place: string): void {
    const counted = this.#counts.size < wordsMax || this.#counts.has(word) ? word : others;
    const known = this.#counts.get(counted);
    if (known === undefined) this.#counts.set(counted, { count: 1, first: place });
    else known.count += 1;
  }

  /** Most frequent first. */
  entries(): { readonly word: string; readonly count: number; readonly first: string }[] {
    return [...this.#counts]
      .map(([word, { count, first }]) => ({ word, count, first }))
      .sort((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1));
  }
}
