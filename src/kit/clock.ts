// Time is handed in, so that tests and simulations decide what time it is.

export interface Clock {
  /** Milliseconds since the Unix epoch. May jump when the host's clock is set. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes backwards. For durations and deadlines. */
  monotonic(): number;
}

/** ISO 8601 UTC with milliseconds, from milliseconds since the epoch. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
