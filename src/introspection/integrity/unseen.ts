// Counts what a check could not see, in fixed sentences: never a guest's own text.
import type { UnseenPart } from './integrity-view.ts';

export class Unseen {
  readonly #counts = new Map<string, number>();

  note(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  get parts(): readonly UnseenPart[] {
    return [...this.#counts].map(([what, count]) => ({ what, count }));
  }
}
