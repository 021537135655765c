// Flows of this host's watched VMs, seen outside them and held against the sockets inside: what a guest hides becomes a guard
// event. Only where it was asked for, since it needs root and tools of the host, and takes part in its switch.
import { type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import { type FlowHealth, FlowWatch } from '../../sensors/flows/flow-watch.ts';
import type { HiddenFlow } from './hidden-flow.ts';
import { type HiddenFlowHealth, HiddenFlowWatch } from './hidden-flow-watch.ts';
import type { VmWatch } from '../watch/vm-watch.ts';

export interface FlowDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly guard: (event: GuardEvent) => void;
}

export interface FlowDeskHealth {
  readonly outside: FlowHealth;
  readonly inside: HiddenFlowHealth;
}

const toldMax = 10_000;
const tellAgainMs = 600_000;

export class FlowDesk {
  readonly #options: FlowDeskOptions;
  readonly #flows: FlowWatch;
  readonly #hidden: HiddenFlowWatch;
  readonly #told = new RecentMap<string, number>(toldMax);
  /** By VM: the life of it that is watched. */
  readonly #watched = new Map<string, { readonly watch: VmWatch; readonly incarnation: number }>();

  constructor(options: FlowDeskOptions) {
    const { clock, log } = options;
    this.#options = options;
    this.#flows = new FlowWatch({
      vms: () => [...this.#watched].map(([vm, { watch }]) => ({ vm, pid: watch.entry.handle.pid })),
      clock,
      listener: {
        opened: () => undefined,
        ended: () => undefined,
        lost: ({ source, missed, reason }) => log.warn('flows lost', { source, missed, why: reason }),
      },
    });
    this.#hidden = new HiddenFlowWatch({
      flows: this.#flows,
      clock,
      look: async (vm) => await this.#look(vm),
      found: (hidden) => this.#tell(hidden),
    });
  }

  async start(): Promise<void> {
    await this.#flows.start();
  }

  /** `watches`: of the guests that are to be watched over; called every few seconds. */
  reconcile(watches: readonly VmWatch[]): void {
    const wanted = new Map(watches.filter((watch) => watch.incarnation > 0).map((watch) => [watch.entry.id, watch]));
    for (const vm of this.#watched.keys())
      if (!wanted.has(vm)) {
        this.#watched.delete(vm);
        this.#hidden.unwatch(vm);
      }
    for (const [vm, watch] of wanted) {
      const known = this.#watched.get(vm);
      if (known === undefined) this.#hidden.watch(vm);
      else if (known.watch !== watch || known.incarnation !== watch.incarnation) this.#hidden.restarted(vm);
      this.#watched.set(vm, { watch, incarnation: watch.incarnation });
    }
  }

  /** Network addresses that the VM itself has claimed on the wire, the newest first. */
  addressesOf(vm: string): readonly string[] {
    return [...this.#flows.addressesOf(vm)].toReversed();
  }

  health(): FlowDeskHealth {
    return { outside: this.#flows.health(), inside: this.#hidden.health() };
  }

  async close(): Promise<void> {
    this.#hidden.close();
    await this.#flows.stop();
  }

  async #look(vm: string) {
    const seen = await this.#watched.get(vm)?.watch.look({});
    if (seen?.ok !== true) return null;
    return { sweep: seen.value.sweep, forwards: seen.value.session.forwards() };
  }

  #tell({ vm, at, what, detail, flow }: HiddenFlow): void {
    const { proto, localPort, remoteAddr, remotePort } = flow;
    const subject =
      what === 'hidden-listener' ? `${proto} port ${localPort}` : `${proto} ${remoteAddr} port ${remotePort}`;
    const key = JSON.stringify([vm, what, subject]);
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
    this.#told.set(key, nowMs);
    this.#options.guard({ vm, at, what, subject: subject.slice(0, 256), detail: detail.slice(0, 2000) });
  }
}
