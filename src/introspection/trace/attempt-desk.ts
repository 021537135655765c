// What becomes of attempts: asks, acts, and remembers the answer, since an attempt may be seen at several stops. It is acted upon at
// each of them and counted once. What cannot be decided or carried out is let through, counted and told.
import { causeOf } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { Sighting } from './hook.ts';
import type { Actor } from './process-facts.ts';
import type { Attempt, Decide, Verdict } from './trace-event.ts';
import type { TraceJournal } from './trace-journal.ts';

const answersMax = 4096;

export type Settled = Exclude<Verdict, 'hold'>;

export class AttemptDesk {
  readonly #decide: Decide;
  readonly #journal: TraceJournal;
  readonly #onKill: (actor: Actor) => void;
  readonly #answers = new RecentMap<string, Settled>(answersMax);

  /** `onKill`: who was killed, each time. */
  constructor(decide: Decide, journal: TraceJournal, onKill: (actor: Actor) => void) {
    this.#decide = decide;
    this.#journal = journal;
    this.#onKill = onKill;
  }

  attemptOf(sighting: Sighting, atMs: number): Attempt {
    const kind = sighting.event.kind as Attempt['kind'];
    const interpreted = sighting.interpreted === true ? { interpreted: true } : {};
    return { ...sighting.event, kind, ts: this.#journal.timeOf(atMs), ...interpreted };
  }

  /** What is to be done with an attempt. One that was answered before keeps its answer, unless it is another of the same name. */
  ask(sighting: Sighting, isNew: boolean, atMs: number): Verdict {
    const known = isNew ? undefined : this.#answers.get(sighting.key);
    if (known !== undefined) return known;
    try {
      return this.#decide(this.attemptOf(sighting, atMs));
    } catch (thrown) {
      this.#letThrough(sighting, atMs, `it could not be decided: ${causeOf(thrown)}`);
      return 'allow';
    }
  }

  /** Carries a verdict out while the guest stands. Counted and told only when `isNew`. */
  settle(sighting: Sighting, verdict: Settled, isNew: boolean, atMs: number): void {
    this.#answers.set(sighting.key, verdict);
    const done = verdict === 'allow' ? 'allow' : this.#act(sighting, verdict);
    if (done === 'kill' && sighting.actor !== undefined) this.#onKill(sighting.actor);
    if (!isNew) return;
    if (done !== 'allow') {
      this.#journal.refuse(true);
      this.#journal.tell(sighting.event, atMs, done);
      return;
    }
    if (verdict !== 'allow') this.#letThrough(sighting, atMs, `to ${verdict} it did not work`);
    if (sighting.eventFollows !== true) this.#journal.tell(sighting.event, atMs, 'allow');
  }

  /** The guest was taken back to an earlier time: the same names may be given again. */
  forget(): void {
    this.#answers.clear();
  }

  /** What was done in the end. A process that must not be killed, the first of a container say, is refused all the same. */
  #act({ refusal }: Sighting, verdict: 'block' | 'kill'): Settled {
    try {
      if (verdict === 'kill' && refusal?.kill() === true) return 'kill';
      return refusal?.block() === true ? 'block' : 'allow';
    } catch {
      return 'allow';
    }
  }

  #letThrough({ event }: Sighting, atMs: number, why: string): void {
    this.#journal.refuse(false);
    this.#journal.lose(atMs, atMs, null, `an attempt to ${event.kind} was let through, since ${why}`);
  }
}
