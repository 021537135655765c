// Tells what is so from what was caught in passing. A guest that runs is never seen at one moment: anything may look wrong once. What is
// still the same wrong in the third look, with the guest's own clock gone on in between, is no race.

export interface Moment {
  /** Counts looks. */
  readonly look: number;
  /** The guest's timer ticks: they stand still while it is paused, and nothing is proven by a second look then. */
  readonly ticks: number;
}

interface Streak {
  readonly first: Moment;
  readonly last: Moment;
  readonly looks: number;
}

export const looksToBelieve = 3;
/** A fifth of a second at the 250 ticks a second of distributions. */
const ticksToBelieve = 50;
/** A process that only shows while it runs is not there in every look. */
const gapMax = 64;
const streaksMax = 65_536;

export class Persistence {
  #streaks = new Map<string, Streak>();
  #crowded = 0;

  /** How many differences could not be followed because there were too many at once. */
  get crowded(): number {
    return this.#crowded;
  }

  /** Whether `key`, seen in this look, was seen long enough to be believed. */
  confirm(key: string, now: Moment): boolean {
    const before = this.#streaks.get(key);
    if (before === undefined && this.#streaks.size >= streaksMax) {
      this.#crowded += 1;
      return false;
    }
    const isNew = before === undefined || now.ticks < before.first.ticks;
    const looks = isNew ? 1 : before.looks + (now.look > before.last.look ? 1 : 0);
    const first = isNew ? now : before.first;
    const streak = { first, last: now, looks };
    this.#streaks.set(key, streak);
    return isProven(streak, now);
  }

  /** Whether this look saw anything that further looks may yet prove. */
  isUnsettled(now: Moment): boolean {
    return [...this.#streaks.values()].some((streak) => streak.last.look === now.look && !isProven(streak, now));
  }

  /** Ends a look: what was not seen in it is forgotten, except what `mayPause` says shows only now and then. */
  settle(now: Moment, mayPause: (key: string) => boolean = () => false): void {
    for (const [key, { last }] of this.#streaks) {
      const gap = now.look - last.look;
      if (gap > (mayPause(key) ? gapMax : 0)) this.#streaks.delete(key);
    }
  }

  forget(key: string): void {
    this.#streaks.delete(key);
  }
}

function isProven({ first, looks }: Streak, now: Moment): boolean {
  return looks >= looksToBelieve && now.ticks - first.ticks >= ticksToBelieve;
}
