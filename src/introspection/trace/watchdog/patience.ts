// How long a watchdog waits for a word of a tracer. Time comes in from outside.

export interface LastWord {
  /** When the tracer was last heard, on the watchdog's own clock. */
  readonly heardMs: number;
  /** Until when the guest stands on purpose; null = it does not. */
  readonly heldUntilMs: number | null;
}

/** When the guest is to be let go unless something is heard before. A hold that is over ends the trace as silence does. */
export function dueMs(word: LastWord, lateMs: number): number {
  const silence = word.heardMs + lateMs;
  return word.heldUntilMs === null ? silence : Math.min(silence, word.heldUntilMs + lateMs);
}

/**
 * Whoever wakes late was itself starved, or the whole host slept, and the tracer with it: it is owed the time to say so.
 * Given once for a late waking, and a quarter of the patience only: the guest may be standing.
 */
export function owedMs(wokenMs: number, dueAtMs: number, lateMs: number): number {
  return wokenMs - dueAtMs > lateMs / 4 ? lateMs / 4 : 0;
}
