// One beat for all guests that are polled: with a timer for each, the process would wake up once for every guest instead of once.

export class Pulse {
  readonly #everyMs: number;
  readonly #beats = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Calls `beat`, which must be short, every so often until the function that is returned is called. */
  join(beat: () => void): () => void {
    this.#beats.add(beat);
    this.#timer ??= setInterval(() => this.#beat(), this.#everyMs);
    return () => this.#leave(beat);
  }

  #beat(): void {
    for (const beat of this.#beats) beat();
  }

  #leave(beat: () => void): void {
    this.#beats.delete(beat);
    if (this.#beats.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
