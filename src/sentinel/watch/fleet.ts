// All VMs of this host: finds them every few seconds, tells them apart, and keeps a watch on each as long as it runs.
import { setTimeout as wait } from 'node:timers/promises';
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { Coverage } from '../../model/profile.ts';
import type { Vm } from '../../model/vm.ts';
import type { GuestSource } from './guest-source.ts';
import type { PaceLimits } from './pace.ts';
import { Pulse } from './pulse.ts';
import { assignIdentities, type DoubleMemory, type RosterEntry } from './roster.ts';
import { type Attention, pollMs, VmWatch } from './vm-watch.ts';
import type { WatchListener } from './watch-options.ts';

export interface FleetOptions {
  readonly source: GuestSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: string;
  readonly pace: PaceLimits;
  readonly busyMs: () => number;
  readonly lostSightMs: number;
  readonly doubles: DoubleMemory;
  readonly listener: WatchListener;
  readonly attention: (vm: string) => Attention;
  /** How a running VM is traced, and what is held in it. */
  readonly tracing: (run: string) => Pick<Vm, 'trace' | 'held'>;
}

const findEveryMs = 2000;
/** VMs shown as gone; older ones are forgotten. */
const goneMax = 1000;

export class Fleet {
  readonly #options: FleetOptions;
  /** By run, not by id: for a moment a VM's old QEMU may still be ending while its new one begins. */
  readonly #watches = new Map<string, VmWatch>();
  readonly #gone = new RecentMap<string, Vm>(goneMax);
  readonly #doubled = new Map<string, string>();
  readonly #abort = new AbortController();
  readonly #ending: Coverage[] = [];
  readonly #pulse = new Pulse(pollMs);
  #findProblem: string | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
    const doubles = options.doubles.load();
    if (doubles.ok) for (const [run, vm] of doubles.value) this.#doubled.set(run, vm);
  }

  /** Why guests could not be looked for; null when they could. */
  get findProblem(): string | null {
    return this.#findProblem;
  }

  async run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      this.find();
      await wait(findEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  close(): void {
    this.#abort.abort();
    for (const watch of this.#watches.values()) watch.close();
  }

  find(): void {
    const { source, log, clock } = this.#options;
    const found = source.find();
    const trouble = found.ok ? null : sayProblem(found.error);
    if (trouble !== null && trouble !== this.#findProblem) log.warn('guests not found', { why: trouble });
    this.#findProblem = trouble;
    if (!found.ok) return;
    const { entries, doubled } = assignIdentities(found.value, this.#doubled);
    for (const { entry, first } of doubled) {
      this.#doubled.set(entry.run, entry.id);
      this.#options.doubles.add(entry, clock.now());
      const detail = `${entry.handle.name} (pid ${entry.handle.pid}) claims the identity of ${first.handle.name} (pid ${first.handle.pid}), which runs as well. It is taken for another VM and inherits nothing; give the copy a UUID of its own.`;
      this.#options.listener.guard({
        vm: entry.id,
        at: isoTime(clock.now()),
        what: 'identity-doubled',
        detail: detail.slice(0, 2000),
      });
    }
    for (const entry of entries) if (!this.#watches.has(entry.run)) this.#watch(entry);
  }

  get(vm: string): VmWatch | undefined {
    let found: VmWatch | undefined;
    // The newest run is the last in the map.
    for (const watch of this.#watches.values()) if (watch.entry.id === vm) found = watch;
    return found;
  }

  all(): readonly VmWatch[] {
    return [...this.#watches.values()];
  }

  /** A manifest of this VM came, went or changed. */
  attend(vm: string): void {
    this.get(vm)?.attend(this.#options.attention(vm));
  }

  views(): readonly Vm[] {
    const running = this.all().map((watch) => ({ ...watch.view(), ...this.#options.tracing(watch.entry.run) }));
    return [...running, ...this.#gone.values()];
  }

  takeCoverage(): readonly Coverage[] {
    const live = this.all().flatMap((watch) => watch.takeCoverage() ?? []);
    return [...this.#ending.splice(0), ...live];
  }

  #watch(entry: RosterEntry): void {
    const { log, attention } = this.#options;
    const watch = new VmWatch({ entry, ...this.#options, pulse: this.#pulse });
    this.#watches.set(entry.run, watch);
    this.#gone.delete(entry.id);
    if (attention(entry.id) === 'watch') watch.attend('watch');
    watch
      .run()
      // A watch never throws but by a bug of ours; one VM's bug must not end the others' watches.
      .catch((error: unknown) => log.error('watch failed', { vm: entry.id, why: String(error) }))
      .finally(() => this.#ended(entry, watch))
      .catch(() => undefined);
  }

  #ended(entry: RosterEntry, watch: VmWatch): void {
    this.#watches.delete(entry.run);
    const last = watch.takeCoverage();
    if (last !== null) this.#ending.push(last);
    if (this.#abort.signal.aborted || this.get(entry.id) !== undefined) return;
    const { why: _, ...view } = watch.view();
    this.#gone.set(entry.id, { ...view, state: 'gone', pid: null });
  }
}
