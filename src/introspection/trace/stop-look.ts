// One stop looked at: every CPU against every hook. QEMU reports one CPU of a stop and no other, though several may have been caught
// at the same moment.
import type { StopReply } from '../../protocols/gdb/stop-reply.ts';
import type { Hook, Sighting, StoppedCpu } from './hook.ts';
import { SightingLedger } from './sighting-ledger.ts';
import type { GuestAtStop } from './stopped-guest.ts';

export interface Seen {
  readonly cpu: StoppedCpu;
  readonly sighting: Sighting;
  readonly isNew: boolean;
}

export interface Look {
  readonly seen: readonly Seen[];
  /** The reported CPU was caught at nothing we know, and not because of an access of its own that was passed over before. */
  readonly unexplained: boolean;
  /** Hooks that failed on what they found. */
  readonly failures: number;
}

/** What one CPU can be seen at before QEMU reports it is one thing, or the few that a hook and an observer make of it. */
const owedMax = 16;

export class StopLooker {
  /** Those that may refuse come first: where one of them sees a moment, others of its kind look away. */
  readonly #hooks: readonly Hook[];
  /** Beside them, for as long as somebody wants to be told more. */
  #further: readonly Hook[] = [];
  readonly #ledger = new SightingLedger();
  /** CPUs whose access was seen but not reported, and as what: QEMU reports it later, wherever they are then. */
  readonly #toBeReported = new Map<number, ReadonlySet<string>>();

  constructor(hooks: readonly Hook[]) {
    this.#hooks = hooks;
  }

  alsoLookFor(hooks: readonly Hook[]): void {
    this.#further = hooks;
  }

  /** Whether what happens once only and was learned of in another way is told for the first time; at no stop is it new any more. */
  isFirst(key: string): boolean {
    return this.#ledger.isFirst(key);
  }

  look(guest: GuestAtStop, stop: StopReply): Look {
    const seen: Seen[] = [];
    const hooks = this.#further.length === 0 ? this.#hooks : [...this.#hooks, ...this.#further];
    let failures = 0;
    let explained = !stop.atData || this.#toBeReported.has(stop.thread);
    for (const cpu of guest.cpus) {
      const reported = stop.atData && cpu.thread === stop.thread;
      const owed = this.#toBeReported.get(cpu.thread);
      const fresh = reported && owed === undefined;
      const here: Seen[] = [];
      let wasCaught = false;
      for (const hook of hooks) {
        try {
          const sighting = hook.recognise(guest, cpu);
          if (sighting === null) continue;
          wasCaught = true;
          if (sighting === 'nothing' || here.some((other) => isSaidBy(other.sighting, sighting))) continue;
          // Seen on its way before, perhaps with an interrupt in between.
          const isSeen = reported && owed?.has(sighting.key) === true;
          here.push({ cpu, sighting, isNew: !isSeen && this.#ledger.isNew(cpu.thread, sighting, fresh) });
        } catch {
          failures += 1;
        }
      }
      const keys = here.map(({ sighting }) => sighting.key);
      this.#ledger.standsAt(cpu.thread, keys);
      if (reported) {
        explained ||= wasCaught;
        this.#toBeReported.delete(cpu.thread);
      } else if (wasCaught) this.#toBeReported.set(cpu.thread, new Set([...(owed ?? []), ...keys].slice(-owedMax)));
      seen.push(...here);
    }
    return { seen, unexplained: !explained, failures };
  }

  forget(): void {
    this.#ledger.forget();
    this.#toBeReported.clear();
  }
}

/** An attempt says what an observer of the same kind would say. */
function isSaidBy(one: Sighting, other: Sighting): boolean {
  return one.event.kind === other.event.kind && one.refusal !== undefined && other.refusal === undefined;
}
