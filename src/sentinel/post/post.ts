// Makes batches: once a second what has come together goes from the outbox into the spool, at once when a person waits for it.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Vm } from '../../model/vm.ts';
import type { Courier } from './courier.ts';
import type { Fleet } from '../watch/fleet.ts';
import type { Outbox } from './outbox.ts';
import { Sleeper } from '../watch/sleeper.ts';
import type { Spool } from './spool.ts';

export interface PostOptions {
  readonly outbox: Outbox;
  readonly spool: Spool;
  readonly fleet: Pick<Fleet, 'views' | 'takeCoverage'>;
  readonly courier: Courier;
  readonly clock: Clock;
  readonly log: Log;
}

const roundMs = 1000;
/** While nothing happens, only the time watched is told: each batch costs a flush to disk. */
const quietEveryMs = 5000;
/** Lets the findings of one sweep travel together. */
const gatherMs = 20;
/** Counts of processes and sockets change all the time; they are told this often. */
const inventoryEveryMs = 10_000;

export class Post {
  readonly #options: PostOptions;
  readonly #sleeper = new Sleeper();
  #closed = false;
  #toldVms = '';
  #toldCounts = '';
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #trouble: string | null = null;

  constructor(options: PostOptions) {
    this.#options = options;
  }

  hurry(): void {
    this.#sleeper.wake();
  }

  close(): void {
    this.#closed = true;
    this.#sleeper.wake();
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      await this.#sleeper.sleep(roundMs);
      if (!this.#closed && this.#options.outbox.urgent) await new Promise((resolve) => setTimeout(resolve, gatherMs));
      this.#round();
    }
  }

  #round(): void {
    const { outbox, spool, fleet, courier, clock, log } = this.#options;
    for (const coverage of fleet.takeCoverage()) outbox.cover(coverage);
    this.#tellInventory(fleet.views());
    outbox.gather(this.#closed);
    const nowMs = clock.monotonic();
    if (!this.#closed && !outbox.worthSending && nowMs - this.#sentAtMs < quietEveryMs) return;
    const batch = outbox.next();
    if (batch === null) return;
    const kept = spool.keep(batch);
    if (!kept.ok) {
      // It stays in the outbox, which is bounded and counts what it refuses.
      const trouble = sayProblem(kept.error);
      if (trouble !== this.#trouble) log.error('batch not kept', { why: trouble });
      this.#trouble = trouble;
      return;
    }
    this.#trouble = null;
    this.#sentAtMs = nowMs;
    outbox.taken();
    courier.hurry();
  }

  #tellInventory(vms: readonly Vm[]): void {
    const known = JSON.stringify(vms.map(({ lastSeenAt: _at, processes: _p, sockets: _s, ...rest }) => rest));
    const counts = JSON.stringify(vms.map(({ processes, sockets }) => [processes, sockets]));
    const nowMs = this.#options.clock.monotonic();
    const old = nowMs - this.#toldAtMs >= inventoryEveryMs;
    if (known === this.#toldVms && (!old || counts === this.#toldCounts)) return;
    this.#toldVms = known;
    this.#toldCounts = counts;
    this.#toldAtMs = nowMs;
    this.#options.outbox.inventory(vms);
  }
}
