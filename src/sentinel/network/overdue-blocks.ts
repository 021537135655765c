// Blocks in libvirt's filters that are over and that this sentinel does not remember: looked for when a libvirt is first met, and
// again when the next of them is over.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import { endBlocks } from '../../connectors/enforcement/nwfilter/end-blocks.ts';

const retryMs = 600_000;

export class OverdueBlocks {
  readonly #clock: Clock;
  readonly #log: Log;
  /** By libvirt's socket: when to look again, since the epoch. */
  readonly #nextMs = new Map<string, number>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  async end(sockets: ReadonlySet<string>): Promise<void> {
    for (const socket of sockets) {
      const nowMs = this.#clock.now();
      if (nowMs < (this.#nextMs.get(socket) ?? 0)) continue;
      const done = await endBlocks(socket, nowMs);
      if (!done.ok) {
        this.#nextMs.set(socket, nowMs + retryMs);
        this.#log.warn('blocks that are over cannot be looked for', { socket, why: sayProblem(done.error) });
        continue;
      }
      const { ended, nextMs } = done.value;
      this.#nextMs.set(socket, nextMs ?? Number.POSITIVE_INFINITY);
      for (const id of ended) this.#log.warn('block that is over taken away', { id });
    }
  }
}
