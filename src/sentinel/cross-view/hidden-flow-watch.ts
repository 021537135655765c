// Looks for activity that a guest hides, as long as it is wanted: asks for looks inside when flows outside call for them, and
// tells each finding once. Use, beside a FlowWatch:
//
//   const hidden = new HiddenFlowWatch({ flows, clock, look: (vm) => ..., found: (hidden) => ... });
//   hidden.watch(vm); hidden.unwatch(vm);      // a VM began or ceased to be watched
//   hidden.swept(vm, sweep, forwards);         // sweeps that are taken anyway spare looks of its own
//   hidden.restarted(vm);                      // another system runs in it
//   hidden.health(); hidden.close();
import type { Clock } from '../../kit/clock.ts';
import type { LiveFlow } from '../../sensors/flows/flow-record.ts';
import type { SweepResult } from '../../introspection/guest/guest-view.ts';
import { CrossView, type Unjudged } from './cross-view.ts';
import type { HiddenFlow } from './hidden-flow.ts';

/** What of a FlowWatch is needed. */
export interface FlowsOutside {
  live(vm: string): Iterable<LiveFlow>;
  addressesOf(vm: string): ReadonlySet<string>;
}

export interface LookInside {
  readonly sweep: SweepResult;
  /** The guest passes on packets of others; null = not known. */
  readonly forwards: boolean | null;
}

export interface HiddenFlowWatchOptions {
  readonly flows: FlowsOutside;
  readonly clock: Clock;
  /** A look with sockets, now; null when the guest cannot be looked into at the moment. */
  readonly look: (vm: string) => Promise<LookInside | null>;
  readonly found: (hidden: HiddenFlow) => void;
}

export interface HiddenFlowHealth {
  readonly looks: number;
  /** Looks that could not be had. */
  readonly blind: number;
  readonly unjudged: Unjudged;
}

interface Watched {
  readonly view: CrossView;
  lookedMs: number;
  busy: boolean;
}

const tickMs = 250;
/** Between looks of our own: while something is suspect or may be, and while connections are merely in use. */
const suspectEveryMs = 450;
const usedEveryMs = 1500;

export class HiddenFlowWatch {
  readonly #options: HiddenFlowWatchOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #timer: NodeJS.Timeout;
  #looks = 0;
  #blind = 0;

  constructor(options: HiddenFlowWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  watch(vm: string): void {
    if (!this.#watched.has(vm))
      this.#watched.set(vm, { view: new CrossView(vm), lookedMs: Number.NEGATIVE_INFINITY, busy: false });
  }

  unwatch(vm: string): void {
    this.#watched.delete(vm);
  }

  restarted(vm: string): void {
    this.#watched.get(vm)?.view.forget();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
  }

  health(): HiddenFlowHealth {
    const unjudged = { incomplete: 0, forwarding: 0, foreignAddress: 0, bounded: 0 };
    for (const { view } of this.#watched.values()) {
      const own = view.unjudged;
      unjudged.incomplete += own.incomplete;
      unjudged.forwarding += own.forwarding;
      unjudged.foreignAddress += own.foreignAddress;
      unjudged.bounded += own.bounded;
    }
    return { looks: this.#looks, blind: this.#blind, unjudged };
  }

  /** A look that holds no sockets says nothing, and is passed over. */
  swept(vm: string, sweep: SweepResult, forwards: boolean | null): void {
    const watched = this.#watched.get(vm);
    if (watched === undefined || sweep.sockets.length === 0) return;
    watched.lookedMs = sweep.takenMs;
    this.#looks += 1;
    const { takenMs, complete, sockets, cost } = sweep;
    const unsettled = sweep.tasks.some(({ transient }) => transient !== null);
    const network = { claimed: this.#options.flows.addressesOf(vm), forwards };
    const look = { takenMs, durationMs: cost.durationMs, complete, unsettled, sockets };
    for (const hidden of watched.view.look(look, this.#options.flows.live(vm), network)) this.#options.found(hidden);
  }

  #tick(): void {
    const nowMs = this.#options.clock.now();
    for (const [vm, watched] of this.#watched) {
      const { view, busy, lookedMs } = watched;
      if (busy || nowMs - lookedMs < suspectEveryMs) continue;
      const isSuspect = view.suspects > 0 || view.callsForLook(this.#options.flows.live(vm));
      if ((!isSuspect && nowMs - lookedMs < usedEveryMs) || !this.#hasSpoken(vm, lookedMs)) continue;
      watched.busy = true;
      void this.#look(vm, watched, nowMs);
    }
  }

  /** Of a guest that is silent nothing can be proven: looking would be for nothing. */
  #hasSpoken(vm: string, sinceMs: number): boolean {
    for (const { ends, evidence } of this.#options.flows.live(vm))
      if (ends.proto === 'tcp' && evidence.sentMs !== null && evidence.sentMs[1] > sinceMs) return true;
    return false;
  }

  async #look(vm: string, watched: Watched, nowMs: number): Promise<void> {
    const inside = await this.#options.look(vm);
    watched.busy = false;
    if (this.#watched.get(vm) !== watched) return;
    if (inside === null) {
      watched.lookedMs = nowMs;
      this.#blind += 1;
    } else this.swept(vm, inside.sweep, inside.forwards);
  }
}
