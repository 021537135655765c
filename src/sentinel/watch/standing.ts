// What stands in a guest: a daemon that was started once and a connection that was made once go on using what allows them, and no
// news tells so. Said from time to time, apart from the news: what stands was judged when it began. And the addresses it stands at.
import type { SweepResult } from '../../introspection/guest/guest-view.ts';
import { GuestSensor } from '../../sensors/introspection/guest-sensor.ts';
import { OwnAddresses } from './own-addresses.ts';
import type { WatchListener } from './watch-options.ts';

const tellEveryMs = 300_000;

export class Standing {
  readonly #vm: string;
  readonly #listener: Pick<WatchListener, 'standing'>;
  readonly #addresses = new OwnAddresses();
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(vm: string, listener: Pick<WatchListener, 'standing'>) {
    this.#vm = vm;
    this.#listener = listener;
  }

  /** Of the guest's own sockets, as the last looks saw them; the most used first. */
  get addresses(): readonly string[] {
    return this.#addresses.list();
  }

  /** Called with every look. */
  tell(sweep: SweepResult, nowMs: number): void {
    this.#addresses.note(sweep.sockets, nowMs);
    if (nowMs - this.#toldAtMs < tellEveryMs) return;
    this.#toldAtMs = nowMs;
    // A sensor's first look reports everything that is there.
    const look = { sweep, forksBefore: 0, forksAfter: 0 };
    this.#listener.standing(this.#vm, new GuestSensor({ host: this.#vm }).next(look, () => null).events);
  }
}
