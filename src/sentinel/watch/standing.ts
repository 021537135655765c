// What stands in a guest: a daemon that was started once and a connection that was made once go on using what allows them, and no
// news tells so. Said from time to time, apart from the news: what stands was judged when it began.
import { type GuestLook, GuestSensor } from '../../sensors/introspection/guest-sensor.ts';
import type { WatchListener } from './vm-watch.ts';

const tellEveryMs = 6 * 3_600_000;

export class Standing {
  #toldAtMs = Number.NEGATIVE_INFINITY;

  tell(look: GuestLook, nowMs: number, vm: string, listener: Pick<WatchListener, 'standing'>): void {
    if (nowMs - this.#toldAtMs < tellEveryMs) return;
    this.#toldAtMs = nowMs;
    // A sensor's first look reports everything that is there.
    listener.standing(vm, new GuestSensor({ host: vm }).next(look, () => null).events);
  }
}
