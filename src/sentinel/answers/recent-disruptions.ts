// Which VMs standing orders isolated or stopped lately, so that the planner knows how far they have gone.
import type { Disruption } from '../../stages/respond/blast-radius.ts';

/** Far more than any limit lets through within a day. */
const keptMax = 10_000;
const minuteMs = 60_000;

export class RecentDisruptions {
  #kept: Disruption[] = [];

  note(disruption: Disruption): void {
    this.#kept.push(disruption);
    if (this.#kept.length > keptMax) this.#kept.shift();
  }

  within(minutes: number, nowMs: number): readonly Disruption[] {
    return this.#kept.filter((one) => nowMs - one.atMs < minutes * minuteMs);
  }
}
