// Counts what a sweep could not see, so that nothing is ever missing in silence.
import type { NoteKind, SweepNote } from './guest-view.ts';

export class Ledger {
  #counts = new Map<string, { kind: NoteKind; detail: string; count: number }>();

  /** `detail` is one of a few fixed sentences: never a guest's own text. */
  note(kind: NoteKind, detail: string, count = 1): void {
    const key = `${kind} ${detail}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { kind, detail, count });
    else known.count += count;
  }

  get notes(): readonly SweepNote[] {
    return [...this.#counts.values()].map((note) => ({ ...note }));
  }

  /** Tasks caught in an exec or on their way out are part of a complete picture; anything else is not. */
  get complete(): boolean {
    return [...this.#counts.values()].every(({ kind }) => kind === 'transient');
  }
}
