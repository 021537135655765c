// A trace under way: its heartbeat, its budget, its holds, and its end. The loop does the stopping.
import { problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { activityReader } from '../guest/system.ts';
import type { Activity } from '../guest/guest-view.ts';
import type { Settled } from './attempt-desk.ts';
import { BudgetMeter } from './budget.ts';
import type { TraceBudget } from './budget.ts';
import { beatEveryMs } from './guardian.ts';
import type { Watch } from './guardian.ts';
import type { KilledProcesses } from './killed-processes.ts';
import { insertion } from './point-set.ts';
import type { ChosenHooks } from './point-set.ts';
import type { ProcessReader } from './process-facts.ts';
import { Rest } from './rest.ts';
import { sameKernel } from './same-kernel.ts';
import type { Attempt, TracedKind, TraceSummary } from './trace-event.ts';
import { TraceLoop } from './trace-loop.ts';
import type { LoopParts } from './trace-loop.ts';
import type { Coverage, Trace } from './tracer.ts';

export interface TraceConduct {
  readonly watch: Watch | null;
  readonly processes: ProcessReader;
  readonly killed: KilledProcesses;
  /** What tells further kinds, and where. */
  readonly furtherHooks: (kinds: readonly TracedKind[]) => Pick<ChosenHooks, 'hooks' | 'points'>;
  readonly coverage: Coverage;
  readonly budget: TraceBudget;
  readonly holdMs: number;
  readonly afterHold: Settled;
  readonly onHeld: (attempt: Attempt) => void;
}

/** No Linux ticks faster; counters only ever rise, and no faster than time: anything else is another past, loaded from a snapshot. */
const ticksPerMsMax = 1;
const ticksSlack = 2_000;
/** With the guardian's patience on top, a guest stands for less than a second. */
const stuckMs = 300;
const lossEveryMs = 1_000;
/** A guardian takes the guest well within this time. */
const takenMs = 10_000;
/** An idle guest may let its clock stand for some seconds. */
const seenToRunMs = 6_000;
const lookEveryMs = 10;
/** At stops, beside the beats. */
const followEveryMs = 10;

export class LiveTrace implements Trace {
  readonly coverage: Coverage;
  readonly ended: Promise<Problem | null>;
  readonly #parts: LoopParts;
  readonly #conduct: TraceConduct;
  readonly #loop: TraceLoop;
  readonly #meter: BudgetMeter;
  readonly #rest = new Rest();
  readonly #readActivity: () => Activity;
  readonly #settleEnded: (why: Problem | null) => void;
  #beat: NodeJS.Timeout | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #last: { readonly activity: Activity; readonly atMs: number };
  #lostFromMs = 0;
  #busy = false;
  #isOver = false;
  #closing: Promise<Result<void>> | null = null;

  constructor(parts: LoopParts, conduct: TraceConduct) {
    this.#parts = parts;
    this.#conduct = conduct;
    this.coverage = conduct.coverage;
    this.#meter = new BudgetMeter(conduct.budget);
    const { promise, resolve } = Promise.withResolvers<Problem | null>();
    this.ended = promise;
    this.#settleEnded = resolve;
    this.#readActivity = activityReader(parts.target.space, []);
    this.#last = { activity: this.#readActivity(), atMs: parts.clock.monotonic() };
    this.#loop = new TraceLoop(parts, {
      stopped: (atMs, stolenMs) => this.#spend(atMs, stolenMs),
      held: (attempt) => this.#hold(attempt),
      pausedByOther: (isPaused) => conduct.watch?.pausedByOther(isPaused),
      broken: (why) => this.#end(why),
    });
  }

  /** Sets the points and lets the guest run. */
  async start(): Promise<Result<void>> {
    const { client } = this.#parts;
    const set = await this.#setPoints();
    if (!set.ok) return set;
    void client.closed.then((why) => {
      this.#loop.breakOff();
      this.#end(why);
    });
    void this.#conduct.watch?.lost.then((why) => this.#end(why));
    this.#beat = setInterval(() => this.#onBeat(), beatEveryMs);
    this.#loop.run();
    return ok(undefined);
  }

  async #setPoints(): Promise<Result<void>> {
    const refused = await this.#loop.setPoints();
    if (!refused.ok) return refused;
    if (refused.value.length === 0) return ok(undefined);
    const message = `QEMU set only some of the points that the trace needs (${refused.value.length} refused).`;
    return fail(problem('failed', message, 'Trace fewer kinds of events.'));
  }

  summary(): TraceSummary {
    return this.#parts.journal.summary();
  }

  release(verdict: Settled): boolean {
    if (this.#loop.state !== 'held') return false;
    clearTimeout(this.#holdTimer);
    this.#conduct.watch?.release();
    return this.#loop.release(verdict);
  }

  alsoTell(kinds: readonly TracedKind[]): Promise<Result<void>> {
    const { looker, points } = this.#parts;
    const { hooks, points: wanted } = this.#conduct.furtherHooks(kinds);
    const own = new Set(points.map((point) => insertion(point)));
    return this.#loop.whileStanding(async () => {
      const wereSet = this.#loop.pointsAreSet;
      const taken = await this.#loop.takePoints();
      if (!taken.ok) return taken;
      this.#loop.alsoWant(wanted.filter((point) => !own.has(insertion(point))));
      looker.alsoLookFor(hooks);
      return wereSet ? await this.#setPoints() : ok(undefined);
    });
  }

  disturbed(reason: string): void {
    const { clock, journal } = this.#parts;
    journal.lose(this.#last.atMs, clock.monotonic(), null, reason);
    void this.#checkKernel();
  }

  close(): Promise<Result<void>> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<Result<void>> {
    const { client, target } = this.#parts;
    this.release(this.#conduct.afterHold);
    const left = await this.#loop.whileStanding(() => this.#loop.leave());
    this.#end(null);
    // A guest that could not be left by its tracer is in the guardian's hands: the end of the connection alarms it, or our silence.
    if (left.ok) await this.#conduct.watch?.close();
    else {
      client.destroy();
      await this.#isTaken();
    }
    const seen = await this.#seenToRun();
    target.close();
    return seen;
  }

  async #isTaken(): Promise<void> {
    const { watch } = this.#conduct;
    if (watch === null) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, takenMs)));
    await Promise.race([watch.lost, late]);
    clearTimeout(timer);
  }

  async #seenToRun(): Promise<Result<void>> {
    const before = this.#readActivity().ticks;
    const deadline = performance.now() + seenToRunMs;
    while (performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      if (this.#readActivity().ticks !== before) return ok(undefined);
    }
    return fail(
      problem('failed', 'The guest was not seen to run after the trace was closed.', 'Resume it by its monitor.'),
    );
  }

  /** `isOurs`: the guest is still in our hands until `close`, and a guardian that hears nothing would take it at the same time. */
  #end(why: Problem | null, isOurs = false): void {
    this.#isOver = true;
    if (!isOurs) clearInterval(this.#beat);
    clearTimeout(this.#holdTimer);
    if (why !== null && this.#closing === null) {
      const { clock, journal } = this.#parts;
      journal.lose(this.#last.atMs, clock.monotonic(), null, `the trace ended: ${why.message}`);
    }
    this.#settleEnded(why);
  }

  #onBeat(): void {
    const { clock, journal } = this.#parts;
    const atMs = clock.monotonic();
    this.#beatUnlessStuck(atMs);
    if (this.#isOver) return;
    journal.anchor();
    this.#conduct.processes.refresh();
    if (this.#loop.state !== 'looking') this.#conduct.killed.look(atMs);
    const forksPerSecond = this.#followTime(atMs);
    if (forksPerSecond !== null && this.#rest.resting) this.#onRest(atMs, forksPerSecond);
  }

  /** Compares the guest's counters with those seen last: what happened since, in programs per second; null when they could not be read. */
  #followTime(atMs: number): number | null {
    const activity = this.#readActivity();
    const { activity: before, atMs: beforeMs } = this.#last;
    this.#last = { activity, atMs };
    if (activity.ticks < 0) return null;
    const back = activity.ticks < before.ticks || activity.forks < before.forks;
    const ahead = activity.ticks - before.ticks > (atMs - beforeMs) * ticksPerMsMax + ticksSlack;
    if (back || ahead) this.#takenBack(beforeMs, atMs);
    else if (activity.ticks !== before.ticks) this.#seenRunning();
    return ((activity.forks - before.forks) * 1000) / (atMs - beforeMs);
  }

  /** A stop that takes too long is the guardian's to end: no beat may cover it. */
  #beatUnlessStuck(atMs: number): void {
    const since = this.#loop.standsSinceMs;
    if (since === null || atMs - since <= stuckMs) this.#conduct.watch?.beat();
  }

  #takenBack(fromMs: number, untilMs: number): void {
    const { journal, looker, desk } = this.#parts;
    looker.forget();
    desk?.forget();
    this.#conduct.processes.forget();
    this.#conduct.killed.forget();
    journal.lose(fromMs, untilMs, null, 'the guest’s time leapt: a snapshot was loaded');
    void this.#checkKernel();
  }

  /** Its clock moves though it should stand: somebody else let it run. */
  #seenRunning(): void {
    const { clock, journal } = this.#parts;
    const { state } = this.#loop;
    if (state === 'held') {
      clearTimeout(this.#holdTimer);
      this.#conduct.watch?.release();
      journal.refuse(false);
      journal.lose(clock.monotonic(), clock.monotonic(), null, 'a held guest was made to run by somebody else');
      this.#loop.ranByItself();
    } else if (state === 'paused-by-other') {
      this.#conduct.watch?.pausedByOther(false);
      this.#loop.ranByItself();
    }
  }

  #hold(attempt: Attempt): void {
    const { holdMs, afterHold, onHeld, watch } = this.#conduct;
    watch?.hold(holdMs);
    this.#last = { ...this.#last, activity: this.#readActivity() };
    this.#holdTimer = setTimeout(() => this.release(afterHold), holdMs);
    onHeld(attempt);
  }

  #spend(atMs: number, stolenMs: number): void {
    this.#conduct.watch?.beat();
    // An idle guest's counters stand: a snapshot loaded between a stop and the next beat would take them to where the beats had seen them.
    if (atMs - this.#last.atMs >= followEveryMs) this.#followTime(atMs);
    if (!this.#meter.spend(atMs, stolenMs) || this.#rest.resting || this.#closing !== null) return;
    this.#rest.begin(atMs);
    this.#lostFromMs = atMs;
    void this.#loop.whileStanding(() => this.#loop.takePoints());
  }

  #onRest(atMs: number, forksPerSecond: number): void {
    const { stopsPerSecondMax } = this.#conduct.budget;
    const over = this.#rest.isOver(atMs, forksPerSecond, stopsPerSecondMax);
    if (over && !this.#busy && !this.#loop.pointsAreSet) void this.#comeBack();
    else if (atMs - this.#lostFromMs >= lossEveryMs) this.#sayRest(atMs);
  }

  async #comeBack(): Promise<void> {
    this.#busy = true;
    const set = await this.#loop.whileStanding(() => this.#loop.setPoints());
    this.#busy = false;
    const atMs = this.#parts.clock.monotonic();
    this.#sayRest(atMs);
    if (!set.ok || set.value.length > 0) return;
    this.#meter.clear();
    this.#rest.end(atMs);
  }

  #sayRest(atMs: number): void {
    this.#parts.journal.lose(this.#lostFromMs, atMs, null, 'the guest did more than the trace may cost it');
    this.#lostFromMs = atMs;
  }

  /** Looks whether the kernel that runs is the one the points were made for; the trace ends when it is not. */
  async #checkKernel(): Promise<void> {
    if (this.#busy || this.#closing !== null) return;
    this.#busy = true;
    const same = await this.#loop.whileStanding(() => sameKernel(this.#parts));
    this.#busy = false;
    if (same.ok && !same.value)
      this.#end(problem('failed', 'Another system runs in the guest.', 'Attach to it again.'), true);
  }
}
