// What one manifest has decided, by a number for each activity that its entries could tell from others: the same question again is one
// look-up, and no answer is another for it. Bounded; when it is full it begins anew, with numbers that nobody has had.
import { AgingMap } from '../../kit/aging-map.ts';
import type { Deviation } from '../../model/deviation.ts';
import type { Activity } from '../../model/observation.ts';
import { effectiveUser } from '../../pattern/behaviour-of.ts';
import { type Decision, decide, isAdopted } from './decision.ts';
import type { EntryIndex } from './entry-index.ts';
import { nearestEntry } from './nearest.ts';
import { servicePort } from './socket-index.ts';

/** Of an activity that is too long to be remembered. */
const unnumbered = -1;
const notAsked = -3;

const numbersMax = 16_384;
const charactersMax = 4 * 1024 * 1024;
const nearestMax = 128;
const argumentsMax = 256;
const charactersOfOneMax = 16_384;

export class DecisionMemory {
  readonly #index: EntryIndex;
  readonly #numbers = new Map<string, number>();
  #decisions = new Int32Array(64).fill(notAsked);
  readonly #nearest = new AgingMap<number, Deviation['nearest']>(nearestMax);
  /** The number that has its decision first in the array. */
  #first = 0;
  #characters = 0;

  constructor(index: EntryIndex) {
    this.#index = index;
  }

  /** Activities that were numbered and are no longer remembered. */
  get forgotten(): number {
    return this.#first;
  }

  numberOf(activity: Activity): number {
    if (!isShort(activity)) return unnumbered;
    const key = keyOf(activity);
    return this.#numbers.get(key) ?? this.#add(key);
  }

  #add(key: string): number {
    if (this.#numbers.size >= numbersMax || this.#characters >= charactersMax) {
      this.#first += this.#numbers.size;
      this.#numbers.clear();
      this.#characters = 0;
      this.#decisions.fill(notAsked);
    }
    const number = this.#first + this.#numbers.size;
    this.#numbers.set(key, number);
    this.#characters += key.length;
    return number;
  }

  /** The nearest entry, found once for all that have the number. */
  nearest(number: number, activity: Activity): Deviation['nearest'] {
    const before = this.#nearest.get(number);
    if (before !== undefined) return before;
    const nearest = nearestEntry(this.#index, activity);
    if (number !== unnumbered) this.#nearest.set(number, nearest);
    return nearest;
  }

  /** `number` is the activity's own. */
  decide(number: number, activity: Activity): Decision {
    const at = number - this.#first;
    const before = this.#decisions[at] ?? notAsked;
    if (before !== notAsked) return before;
    const decision = decide(this.#index, activity);
    if (number >= this.#first) this.#keep(at, decision);
    return decision;
  }

  #keep(at: number, decision: Decision): void {
    const before = this.#decisions;
    if (at >= before.length) {
      this.#decisions = new Int32Array(Math.max(at + 1, 2 * before.length)).fill(notAsked);
      this.#decisions.set(before);
    }
    this.#decisions[at] = decision;
  }
}

/** All that an entry can ask of an activity: not its time, pids, ancestors or a caller's port. */
function keyOf(activity: Activity): string {
  const { kind, image } = activity;
  const exe = image?.exe ?? null;
  if (activity.kind === 'process') {
    const { parent, alreadyRunning } = activity;
    const started = [isAdopted(activity), alreadyRunning === true];
    return JSON.stringify([exe, effectiveUser(activity.image), parent?.exe ?? null, started, activity.image.argv]);
  }
  const peer = activity.kind === 'listen' ? null : activity.remoteAddr;
  return JSON.stringify([kind, exe, activity.proto, servicePort(activity), peer]);
}

/** Stringified within microseconds. */
function isShort({ image }: Activity): boolean {
  if (image === null) return true;
  const { exe, argv } = image;
  let characters = exe?.length ?? 0;
  for (const argument of argv) characters += argument.length;
  return argv.length <= argumentsMax && characters <= charactersOfOneMax;
}
