// What one reader of a trace has seen of it, as the summary at its end.
import type { TracedKind, TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';
import type { TraceCost } from './streamed-line.ts';

export const noCost: TraceCost = { stops: 0, stolenMs: 0, refused: 0, notRefused: 0 };

export class TraceTally {
  readonly #counts: Record<TracedKind, number> = {
    exec: 0,
    fork: 0,
    exit: 0,
    setuid: 0,
    connect: 0,
    accept: 0,
    listen: 0,
    bind: 0,
    module: 0,
  };
  #lost = 0;
  #losses = 0;
  #before: TraceCost | null = null;
  #cost: TraceCost = noCost;

  hear(line: TraceLine): void {
    if (line.kind !== 'loss') {
      this.#counts[line.kind] += 1;
      return;
    }
    this.#losses += 1;
    this.#lost += line.missed ?? 0;
  }

  /** What the trace has cost in all; what it had cost when it was told for the first time is not this reader's. */
  cost(now: TraceCost): void {
    this.#before ??= now;
    this.#cost = now;
  }

  summary(): TraceSummary {
    const before = this.#before ?? noCost;
    return {
      kind: 'summary',
      counts: this.#counts,
      lost: this.#lost,
      losses: this.#losses,
      stops: Math.max(0, this.#cost.stops - before.stops),
      stolenMs: Math.max(0, Math.round((this.#cost.stolenMs - before.stolenMs) * 1000) / 1000),
      refused: Math.max(0, this.#cost.refused - before.refused),
      notRefused: Math.max(0, this.#cost.notRefused - before.notRefused),
    };
  }
}
