// What each VM was seen to show, told once a day: enough to say which VMs are alike, for those in a service and those in none.
import type { Clock } from '../../kit/clock.ts';
import type { Activity } from '../../model/observation.ts';
import { traitKey, vmTraitsMax, type ShownTraits, type VmTrait } from '../../model/vm-trait.ts';
import { traitsOf } from '../../stages/learn/traits.ts';

const tellAgainMs = 86_400_000;
/** In one batch, of all VMs; what is left follows with the next. */
const perBatchMax = 5000;
/** VMs remembered; a host runs some hundreds. */
const vmsMax = 10_000;

interface Shown {
  readonly toldAtMs: Map<string, number>;
  readonly waiting: Map<string, VmTrait>;
}

export class TraitBook {
  readonly #clock: Clock;
  readonly #vms = new Map<string, Shown>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False = a trait or VM found no room. */
  show(vm: string, activity: Activity): boolean {
    let shown = this.#vms.get(vm);
    if (shown === undefined) {
      if (this.#vms.size >= vmsMax) return false;
      this.#vms.set(vm, (shown = { toldAtMs: new Map(), waiting: new Map() }));
    }
    const nowMs = this.#clock.monotonic();
    let isWhole = true;
    for (const trait of traitsOf(activity)) {
      const key = traitKey(trait);
      const toldAtMs = shown.toldAtMs.get(key) ?? Number.NEGATIVE_INFINITY;
      if (nowMs - toldAtMs < tellAgainMs || shown.waiting.has(key)) continue;
      if (shown.waiting.size >= vmTraitsMax) isWhole = false;
      else shown.waiting.set(key, trait);
    }
    return isWhole;
  }

  take(): ShownTraits[] {
    const nowMs = this.#clock.monotonic();
    let room = perBatchMax;
    const told: ShownTraits[] = [];
    for (const [vm, shown] of this.#vms) {
      if (room <= 0) break;
      const some = [...shown.waiting].slice(0, room);
      if (some.length === 0) continue;
      room -= some.length;
      for (const [key] of some) {
        shown.waiting.delete(key);
        // What was told longest ago makes room: a guest may invent names without end.
        const [oldest] = shown.toldAtMs.keys();
        if (shown.toldAtMs.size >= vmTraitsMax && oldest !== undefined) shown.toldAtMs.delete(oldest);
        shown.toldAtMs.delete(key);
        shown.toldAtMs.set(key, nowMs);
      }
      told.push({ vm, traits: some.map(([, trait]) => trait) });
    }
    return told;
  }
}
