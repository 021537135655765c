// The loop of a trace: the guest stops, is looked at, and runs on, as fast as can be. Everything that is to be done to a standing guest
// is done here, by one hand: points set and taken out, attempts answered, leaving.
//
// Invariants: nothing is sent while the guest runs but the wish that it stop; what was read at a stop is told after the guest runs again;
// a guest that somebody else paused is never made to run.
import type { Clock } from '../../kit/clock.ts';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { GdbClient } from '../../protocols/gdb/gdb-client.ts';
import type { StopReply } from '../../protocols/gdb/stop-reply.ts';
import type { AttemptDesk, Settled } from './attempt-desk.ts';
import type { StopPoint } from './hook.ts';
import { insertion, removal } from './point-set.ts';
import { skipEntries } from './skip-entry.ts';
import type { Step } from './skip-entry.ts';
import type { Seen, StopLooker } from './stop-look.ts';
import { registerQuestions, registersIn } from './register-questions.ts';
import { GuestAtStop } from './stopped-guest.ts';
import type { Attempt } from './trace-event.ts';
import type { TraceJournal } from './trace-journal.ts';
import type { OpenTarget } from './trace-target.ts';

export interface LoopParts {
  readonly client: GdbClient;
  readonly target: OpenTarget;
  readonly threads: readonly number[];
  readonly points: readonly StopPoint[];
  readonly looker: StopLooker;
  readonly desk: AttemptDesk | null;
  readonly journal: TraceJournal;
  readonly clock: Clock;
}

export interface LoopEvents {
  /** After each stop that came by itself, when the guest runs again: what it cost, holds left out. */
  stopped(atMs: number, stolenMs: number): void;
  /** The guest stands until `release`. */
  held(attempt: Attempt): void;
  /** Somebody else paused the guest, or it turned out to be in our hands again. */
  pausedByOther(isPaused: boolean): void;
  /** The connection is gone, or what comes over it makes no sense. */
  broken(why: Problem): void;
}

/** A machine that does not stop within this time when asked stands already: somebody else paused it. */
const interruptMs = 3_000;
/** Guest pages read at one stop at most. */
const readsMax = 8_192;
const signalPoint = 5;
/** How often a guest that others let run is looked at once more. */
const triesMax = 5;

type State = 'standing' | 'running' | 'looking' | 'held' | 'paused-by-other' | 'over';

interface Held {
  readonly guest: GuestAtStop;
  readonly rest: readonly Seen[];
  readonly atMs: number;
  readonly sinceMs: number;
}

export class TraceLoop {
  readonly #parts: LoopParts;
  readonly #events: LoopEvents;
  #state: State = 'standing';
  #points: readonly StopPoint[] = [];
  #alsoWanted: readonly StopPoint[] = [];
  #held: Held | null = null;
  #tellLater: (() => void)[] = [];
  #atStop: (() => void)[] = [];
  #othersPause = false;
  #isBroken = false;
  /** Of the stop being answered, how long a person was waited for. */
  #heldMs = 0;
  #standsSinceMs: number | null;
  /** What is done to the standing guest is done one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: LoopParts, events: LoopEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#standsSinceMs = parts.clock.monotonic();
    parts.client.onStop((stop) => this.#stopped(stop, 0));
  }

  get state(): State {
    return this.#state;
  }

  /** Since when the guest stands by this tracer's doing; null while it runs, and while a person or somebody else keeps it. */
  get standsSinceMs(): number | null {
    return this.#standsSinceMs;
  }

  get pointsAreSet(): boolean {
    return this.#points.length > 0;
  }

  /** Beside those of the trace, from the next time that points are set. */
  alsoWant(points: readonly StopPoint[]): void {
    this.#alsoWanted = points;
  }

  /** While the guest stands: sets the points; those that QEMU has no room for are given back. */
  async setPoints(): Promise<Result<readonly StopPoint[]>> {
    const { client } = this.#parts;
    const points = [...this.#parts.points, ...this.#alsoWanted];
    const answers = await client.ask(points.map((point) => insertion(point)));
    if (!answers.ok) return answers;
    this.#points = points.filter((_, index) => answers.value[index] === 'OK');
    return ok(points.filter((_, index) => answers.value[index] !== 'OK'));
  }

  async takePoints(): Promise<Result<void>> {
    const answers = await this.#parts.client.ask(this.#points.map((point) => removal(point)));
    if (!answers.ok) return answers;
    this.#points = [];
    return ok(undefined);
  }

  /** The words that take out what is set now. */
  removals(): readonly string[] {
    return this.#points.map((point) => removal(point));
  }

  run(): void {
    this.#resume([]);
  }

  /** Runs `action` at the guest's next stop, which is brought about; the guest runs on after it, unless `leave` was called. */
  whileStanding<T>(action: () => Promise<Result<T>>): Promise<Result<T>> {
    const done = this.#turn.then(() => this.#actStanding(action));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #actStanding<T>(action: () => Promise<Result<T>>): Promise<Result<T>> {
    if (this.#state === 'over') return fail(problem('failed', 'The trace has ended.'));
    if (this.#state === 'running') await this.#bringToStop();
    else if (this.#state === 'looking') await new Promise<void>((resolve) => this.#atStop.push(resolve));
    let done = await action();
    if (!done.ok && (await this.#isOursAgain(done.error))) {
      this.#state = 'standing';
      done = await action();
    }
    if (this.#now() === 'standing' && !this.#isBroken) this.#resume([]);
    return done;
  }

  /** Answers the attempt for which the guest is held; false when it is not. */
  release(verdict: Settled): boolean {
    const held = this.#held;
    const first = held?.rest[0];
    if (held === null || first === undefined || this.#state !== 'held') return false;
    this.#held = null;
    this.#heldMs += this.#parts.clock.monotonic() - held.sinceMs;
    this.#parts.desk?.settle(first.sighting, verdict, first.isNew, held.atMs);
    this.#look();
    this.#answer(held.guest, held.rest.slice(1), held.atMs);
    return true;
  }

  /** Somebody else made the guest run: what it was held for has happened. */
  ranByItself(): void {
    this.#held = null;
    if (this.#state === 'over') return;
    this.#state = 'running';
    this.#standsSinceMs = null;
  }

  /** Nothing more will come over the connection: whoever waits for a stop goes on, and finds that it cannot be asked. */
  breakOff(): void {
    if (this.#state === 'over') return;
    this.#isBroken = true;
    this.#state = 'standing';
    for (const resolve of this.#atStop.splice(0)) resolve();
  }

  /** While the guest stands: every point out, and it runs, unless somebody else paused it. */
  async leave(): Promise<Result<void>> {
    const { client } = this.#parts;
    const standsForOther = this.#state === 'paused-by-other';
    this.#state = 'over';
    const left = standsForOther ? await this.takePoints() : await this.#detach();
    // Interrupted, it stands by our own question, and is left once more.
    if (left.ok || left.error.kind !== 'interrupted') client.destroy();
    return left;
  }

  async #detach(): Promise<Result<void>> {
    const answer = await this.#parts.client.ask(['D']);
    if (!answer.ok) return answer;
    return answer.value[0] === 'OK'
      ? ok(undefined)
      : fail(problem('failed', `QEMU refused to detach: ${answer.value[0]}.`));
  }

  #now(): State {
    return this.#state;
  }

  async #bringToStop(): Promise<void> {
    const { client } = this.#parts;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        if (this.#now() === 'running') this.#state = 'paused-by-other';
        resolve();
      }, interruptMs);
      this.#atStop.push(() => {
        clearTimeout(timer);
        resolve();
      });
      client.interrupt();
    });
  }

  #look(): void {
    this.#state = 'looking';
    this.#standsSinceMs ??= this.#parts.clock.monotonic();
  }

  /** No promise on the way from here to the guest's running on: each would be waited for by the whole guest. */
  #stopped(stop: StopReply, tries: number): void {
    if (this.#state === 'over' || this.#isBroken) return;
    const { client, clock, threads } = this.#parts;
    const atMs = clock.monotonic();
    this.#look();
    if (stop.crossed === true) {
      void this.#lookAgain(stop, tries, problem('interrupted', 'The guest was made to run by somebody else.'));
      return;
    }
    client.askThen(registerQuestions(threads, stop.thread), (answers) => {
      if (!answers.ok) {
        void this.#lookAgain(stop, tries, answers.error);
        return;
      }
      try {
        this.#lookAt(stop, answers.value, atMs);
      } catch (thrown) {
        this.#failAt(thrown);
      }
    });
  }

  /** What it had stopped for is past: it stands elsewhere now, by our asking. Only of a mere pause nothing can have been missed. */
  async #lookAgain({ thread, signal, crossed }: StopReply, tries: number, why: Problem): Promise<void> {
    const { clock, journal } = this.#parts;
    const atMs = clock.monotonic();
    if (tries >= triesMax || !(await this.#isOursAgain(why))) {
      this.#break(why);
      return;
    }
    if (signal === signalPoint || crossed === true)
      this.#later(() => journal.lose(atMs, atMs, null, 'somebody else made the guest run while it was looked at'));
    this.#stopped({ signal: signalPoint, thread, atData: false }, tries + 1);
  }

  #lookAt(stop: StopReply, answers: readonly string[], atMs: number): void {
    const { threads, target, looker, journal } = this.#parts;
    const cpus = registersIn(answers, threads, stop.thread);
    if (cpus === null) {
      this.#break(problem('failed', 'QEMU gave no registers that could be read.'));
      return;
    }
    target.space.pages.begin(readsMax);
    const guest = new GuestAtStop(target.space, target.writable, cpus);
    const look = looker.look(guest, stop);
    if (look.unexplained) this.#later(() => journal.lose(atMs, atMs, null, unexplained(guest, stop)));
    if (look.failures > 0) this.#later(() => journal.lose(atMs, atMs, null, 'a stop that could not be understood'));
    this.#othersPause = stop.signal !== signalPoint && this.#atStop.length === 0;
    this.#answer(guest, look.seen, atMs);
  }

  /** Answers attempts one after another, tells events, and goes on; or stays when a person is to be asked. */
  #answer(guest: GuestAtStop, seen: readonly Seen[], atMs: number): void {
    const { desk, journal } = this.#parts;
    for (const [index, { sighting, isNew }] of seen.entries()) {
      if (sighting.refusal === undefined || desk === null) {
        if (isNew) this.#later(() => journal.tell(sighting.event, atMs, null));
        continue;
      }
      const verdict = desk.ask(sighting, isNew, atMs);
      if (verdict === 'hold') {
        this.#held = { guest, rest: seen.slice(index), atMs, sinceMs: this.#parts.clock.monotonic() };
        this.#state = 'held';
        this.#standsSinceMs = null;
        this.#events.held(desk.attemptOf(sighting, atMs));
        return;
      }
      desk.settle(sighting, verdict, isNew, atMs);
    }
    this.#goOn(guest, atMs);
  }

  #goOn(guest: GuestAtStop, atMs: number): void {
    const codePoints = this.#points.filter(({ on }) => on === 'code');
    const steps = codePoints.length === 0 ? [] : skipEntries(guest, codePoints);
    if (steps.length === 0 && this.#atStop.length === 0 && !this.#othersPause) this.#runOn(guest, atMs);
    else this.#goOnLater(guest, atMs, steps).catch((thrown: unknown) => this.#failAt(thrown));
  }

  /** Where something must be done first, or the guest is to stand on. */
  async #goOnLater(guest: GuestAtStop, atMs: number, steps: readonly Step[]): Promise<void> {
    if (steps.length > 0 && !(await this.#stepOver(guest, steps))) return;
    if (this.#atStop.length === 0 && !this.#othersPause) {
      this.#runOn(guest, atMs);
      return;
    }
    await this.#parts.client.ask(guest.takeSettings());
    this.#heldMs = 0;
    this.#tell();
    if (this.#othersPause) {
      this.#state = 'paused-by-other';
      this.#standsSinceMs = null;
      this.#events.pausedByOther(true);
    } else this.#state = 'standing';
    for (const resolve of this.#atStop.splice(0)) resolve();
  }

  #runOn(guest: GuestAtStop, atMs: number): void {
    const { clock, journal } = this.#parts;
    this.#resume(guest.takeSettings());
    const stolenMs = clock.monotonic() - atMs;
    journal.stood(stolenMs);
    this.#tell();
    this.#events.stopped(atMs, stolenMs - this.#heldMs);
    this.#heldMs = 0;
  }

  /** Entries that cannot be skipped are run one instruction long with their point taken out. */
  async #stepOver(guest: GuestAtStop, steps: readonly Step[]): Promise<boolean> {
    const { client } = this.#parts;
    const before = await client.ask(guest.takeSettings());
    if (!before.ok) {
      this.#break(before.error);
      return false;
    }
    for (const { thread, point } of steps) {
      const stop = await client.step(thread, [removal(point)]);
      const back = stop === null ? null : await client.ask([insertion(point)]);
      if (back?.ok === true) continue;
      this.#break(problem('failed', 'QEMU did not do a single step.'));
      return false;
    }
    return true;
  }

  /** Somebody else let it run while we asked; our asking paused it again, so it is ours to let run. */
  async #isOursAgain({ kind }: Problem): Promise<boolean> {
    if (kind !== 'interrupted') return false;
    this.#events.pausedByOther(false);
    return (await this.#parts.client.settleDown()).ok;
  }

  #failAt(thrown: unknown): void {
    this.#break(problem('failed', `A stop could not be dealt with: ${causeOf(thrown)}.`));
  }

  #break(why: Problem): void {
    if (this.#state === 'over' || this.#isBroken) return;
    this.breakOff();
    this.#events.broken(why);
  }

  #resume(settings: readonly string[]): void {
    this.#state = 'running';
    this.#standsSinceMs = null;
    this.#parts.client.resume(settings);
  }

  #later(tell: () => void): void {
    this.#tellLater.push(tell);
  }

  #tell(): void {
    for (const tell of this.#tellLater.splice(0)) tell();
  }
}

/** Says where in the kernel it was, for whoever looks into it. */
function unexplained({ space, cpus }: GuestAtStop, stop: StopReply): string {
  const cpu = cpus.find(({ thread }) => thread === stop.thread);
  const high = cpu?.registers.high('rip') ?? 0;
  const offset = (cpu?.registers.low('rip') ?? 0) - space.image.textLow;
  const place = high === 0xffff_ffff && offset >= 0 ? `_text+0x${offset.toString(16)}` : 'elsewhere';
  return `a stop that could not be explained (${place})`;
}
