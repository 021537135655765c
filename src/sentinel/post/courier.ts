// Carries batches from the spool to the manager, one at a time and in order. A batch leaves the spool when the manager has
// stored it; while the manager is away the courier waits longer and longer, up to half a minute.
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { ManagerEnd } from '../../wire/link.ts';
import { Sleeper } from '../watch/sleeper.ts';
import type { Spool } from './spool.ts';

const idleMs = 60_000;
const backOffMs = { least: 250, most: 30_000 };

export class Courier {
  readonly #spool: Spool;
  readonly #manager: ManagerEnd;
  readonly #log: Log;
  readonly #sleeper = new Sleeper();
  #closed = false;
  #away: string | null = null;

  constructor(spool: Spool, manager: ManagerEnd, log: Log) {
    this.#spool = spool;
    this.#manager = manager;
    this.#log = log;
  }

  /** Why the last delivery failed; null while the manager answers. */
  get away(): string | null {
    return this.#away;
  }

  /** There is something new in the spool. */
  hurry(): void {
    if (this.#away === null) this.#sleeper.wake();
  }

  close(): void {
    this.#closed = true;
    this.#sleeper.wake();
  }

  /** Tries to hand over what is left, as long as the manager answers; what it does not take stays in the spool. */
  async handOver(withinMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => resolve('late'), withinMs);
    while ((await Promise.race([this.#carryOne(), late])) === 'carried');
    clearTimeout(timer);
  }

  async run(): Promise<void> {
    let waitMs = backOffMs.least;
    while (!this.#closed) {
      const carried = await this.#carryOne();
      if (carried === 'carried') waitMs = backOffMs.least;
      else if (carried === 'nothing') await this.#sleeper.sleep(idleMs);
      else {
        await this.#sleeper.sleep(waitMs);
        waitMs = Math.min(waitMs * 2, backOffMs.most);
      }
    }
  }

  async #carryOne(): Promise<'carried' | 'nothing' | 'failed'> {
    const batch = this.#spool.oldest();
    if (!batch.ok) return this.#failed(sayProblem(batch.error));
    if (batch.value === null) return 'nothing';
    const delivered = await this.#manager.deliver(batch.value);
    if (!delivered.ok) return this.#failed(sayProblem(delivered.error));
    // An answer for another number acknowledges nothing that stands here now.
    if (delivered.value.seq !== batch.value.seq) return this.#failed('the manager acknowledged another batch');
    const acknowledged = this.#spool.acknowledge(batch.value.seq);
    if (!acknowledged.ok) return this.#failed(sayProblem(acknowledged.error));
    if (this.#away !== null) this.#log.info('manager answers again');
    this.#away = null;
    return 'carried';
  }

  #failed(why: string): 'failed' {
    if (this.#away !== why) this.#log.warn('batch not delivered', { why });
    this.#away = why;
    return 'failed';
  }
}
