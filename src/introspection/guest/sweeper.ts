// Takes sweeps of one guest: everything a session remembers between two of them lives here. Works on any memory and any
// kernel found in it, so a recording serves as well as a running machine.
import type { Clock } from '../../kit/clock.ts';
import { KernelSpace } from '../kernel/kernel-space.ts';
import { PageCache } from '../memory/page-cache.ts';
import { readForwarding } from './forwarding.ts';
import type { Activity, GuestIdentity, ModuleView, SweepOptions, SweepResult } from './guest-view.ts';
import { Ledger } from './ledger.ts';
import { listModules } from './modules.ts';
import { SocketSweep } from './socket-sweep.ts';
import { trafficCounters } from './traffic-counters.ts';
import { activityReader, readBootTime, readHostname, readOnlineCpus } from './system.ts';
import { listTasks } from './task-list.ts';
import { TaskSweep } from './task-sweep.ts';

/** System calls one sweep may spend: a thousand processes take about 2500 the first time and 300 after it. */
const readsMax = 1_000_000;
const detailReadsMax = 400_000;
/** A guest full of new processes is described over several sweeps, so that it cannot keep its watcher from the others. */
const describeMsMax = 1_000;
/** Details are looked at once and shared little: 1 MiB is plenty. */
const detailPagesMax = 256;

export class Sweeper {
  readonly #space: KernelSpace;
  readonly #detailPages: PageCache;
  readonly #details: KernelSpace;
  readonly #tasks: TaskSweep;
  readonly #sockets: SocketSweep;
  readonly #activity: () => Activity;
  readonly #clock: Clock;
  #hostBootedMs: number | null = null;

  constructor(space: KernelSpace, clock: Clock) {
    this.#space = space;
    this.#clock = clock;
    this.#detailPages = new PageCache(space.pages.memory, { pagesMax: detailPagesMax, readAhead: false });
    this.#details = new KernelSpace(this.#detailPages, space.image, space.profile);
    this.#tasks = new TaskSweep(space, this.#details);
    this.#sockets = new SocketSweep(space);
    this.#activity = activityReader(space, trafficCounters(space));
  }

  take(options: SweepOptions = {}): SweepResult {
    const { pages } = this.#space;
    const began = this.#clock.monotonic();
    const takenMs = this.#clock.now();
    const ledger = new Ledger();
    const light = options.light ?? false;
    const strays = this.#space.strays + this.#details.strays;
    pages.begin(readsMax);
    this.#detailPages.begin(detailReadsMax);
    const bootedMs = this.#booted().ms;
    const isLate = (): boolean => this.#clock.monotonic() - began > describeMsMax;
    const wanted = { light, threads: options.threads ?? false, bootedMs, isLate };
    const { views, processes } = this.#tasks.take(wanted, ledger);
    const sockets = (options.sockets ?? !light) ? this.#sockets.take(processes, ledger) : [];
    const led = this.#space.strays + this.#details.strays - strays;
    if (led > 0) ledger.note('unreadable', 'pointers that led nowhere', led);
    if (pages.faults > 0) ledger.note('unreadable', 'looks at memory that could not be read', pages.faults);
    if (pages.exhausted || this.#detailPages.exhausted) ledger.note('bounded', 'the sweep ran out of memory reads');
    return {
      takenMs,
      tasks: views,
      sockets,
      complete: ledger.complete,
      notes: ledger.notes,
      cost: {
        pages: pages.pages + this.#detailPages.pages,
        reads: pages.reads + this.#detailPages.reads,
        durationMs: this.#clock.monotonic() - began,
      },
    };
  }

  /** Loaded kernel modules, newest first. */
  modules(): { readonly modules: readonly ModuleView[]; readonly complete: boolean } {
    const ledger = new Ledger();
    this.#detailPages.begin(detailReadsMax);
    return { modules: listModules(this.#details, ledger), complete: ledger.complete };
  }

  identity(): GuestIdentity {
    this.#detailPages.begin(detailReadsMax);
    const { banner, buildId } = this.#space.profile;
    const booted = this.#booted();
    return {
      banner,
      buildId,
      hostname: readHostname(this.#details),
      bootedMs: booted.ms,
      bootedBy: booted.by,
      cpus: readOnlineCpus(this.#details) ?? 1,
    };
  }

  activity(): Activity {
    return this.#activity();
  }

  forwards(): boolean | null {
    this.#detailPages.begin(detailReadsMax);
    return readForwarding(this.#details);
  }

  /**
   * By the guest's clock. Where it cannot be read, the youngest process tells how long the guest has been up at least:
   * reckoned once, so that it does not wander from sweep to sweep.
   */
  #booted(): { readonly ms: number; readonly by: GuestIdentity['bootedBy'] } {
    const own = readBootTime(this.#details);
    if (own !== null) return { ms: own, by: 'guest-clock' };
    this.#hostBootedMs ??= this.#clock.now() - youngestMs(this.#space);
    return { ms: this.#hostBootedMs, by: 'host-clock' };
  }
}

/** Milliseconds from boot to the start of the youngest process. */
function youngestMs(space: KernelSpace): number {
  const start = space.profile.fields['task_struct.start_boottime'];
  let youngestNs = 0;
  for (const task of listTasks(space, new Ledger())) youngestNs = Math.max(youngestNs, space.pages.u64(task + start));
  return Math.round(youngestNs / 1e6);
}
