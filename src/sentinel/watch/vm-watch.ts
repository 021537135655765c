// One VM over one run of its QEMU process: attaches, looks at the right moments, attaches again when another system runs
// there, and hands on what it saw and what it may have missed. It judges nothing.
import { type Clock, isoTime } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { Coverage } from '../../model/profile.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { Vm } from '../../model/vm.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import type { Activity, SweepOptions, SweepResult } from '../../introspection/guest/guest-view.ts';
import { GuestSensor, type News } from '../../sensors/introspection/guest-sensor.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { GuestLine } from './guest-line.ts';
import type { GuestSession } from './guest-source.ts';
import type { Incarnation } from './incarnation-memory.ts';
import { Pace } from './pace.ts';
import type { RosterEntry } from './roster.ts';
import { SightKeeper } from './sight-keeper.ts';
import { hasGoneBack, hasStirred } from './counter-change.ts';
import { Sleeper } from './sleeper.ts';
import { Standing } from './standing.ts';
import type { CrossCheck } from '../tracing/cross-check.ts';
import { remarksOf, viewOf } from './vm-view.ts';
import type { WatchOptions } from './watch-options.ts';

/** none = only its inventory; watch = a manifest applies: everything it does is wanted. */
export type Attention = 'none' | 'watch';

export const pollMs = 10;
/** While nothing moves, only the guest's counters are polled; the rest of a turn waits for so long at most. */
const quietMsMax = 500;
/** While something is going on, since what is short-lived comes in company. */
const busyPollMs = 3;
const busyForMs = 300;
const pausedPollMs = 100;
const unwatchedPollMs = 500;
const unwatchedSweepMs = 15_000;
const unwatchedRetryMs = 3000;
/** Beside a trace, which tells of everything, looks are a cross-check. */
const tracedPollMs = 200;
const tracedSweepMs = 2000;
const verifyEveryMs = 2000;
const noteEveryMs = 30_000;
/** A try costs milliseconds; what a watched VM does while it boots should be missed for no longer. */
const retryMs = { least: 300, most: 1000 };
/** Attached this soon after its boot, what the VM does when it boots was seen. */
const bootSeenMs = 120_000;

export class VmWatch {
  readonly entry: RosterEntry;
  readonly #options: WatchOptions;
  readonly #clock: Clock;
  readonly #line: GuestLine;
  readonly #kept: SightKeeper;
  readonly #sleeper = new Sleeper();
  readonly standing: Standing;
  #attention: Attention = 'none';
  #sensor: GuestSensor | null = null;
  #trace: CrossCheck | null = null;
  #pace: Pace;
  #incarnation: Incarnation = { number: 0, began: null };
  #atSweep: Activity | null = null;
  #last: Activity | null = null;
  #lastSweep: SweepResult | null = null;
  #lastSweepAtMs = Number.NEGATIVE_INFINITY;
  #verifiedAtMs = 0;
  #movedAtMs = Number.NEGATIVE_INFINITY;
  #notedAtMs = 0;
  #replaced = false;
  #bootSeen = true;
  #heldMs = 0;
  /** How many need its monitor for longer than a question. */
  #needed = 0;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.entry = options.entry;
    this.standing = new Standing(options.entry.id, options.listener);
    this.#clock = options.clock;
    this.#line = new GuestLine(options.entry.handle, options.source, options.clock, () => this.#sleeper.wake());
    const bornMs = options.clock.now();
    this.#kept = new SightKeeper({ vm: options.entry.id, bornMs, lostSightMs: options.lostSightMs });
    this.#pace = new Pace(options.pace, options.clock.monotonic());
  }

  get incarnation(): number {
    return this.#incarnation.number;
  }

  get watched(): boolean {
    return this.#attention === 'watch';
  }

  get running(): boolean {
    return this.#line.alive() && !this.#line.paused;
  }

  /** Runs until the QEMU process has ended or `close` was called. */
  async run(): Promise<void> {
    let waitMs = retryMs.least;
    while (!this.#closed && this.#line.alive()) {
      if (this.#mayRest()) {
        this.#line.rest();
        await this.#sleeper.sleep(unwatchedPollMs);
        continue;
      }
      const had = this.#line.session;
      const session = await this.#line.bring();
      if (this.#closed) break;
      if (session === null) {
        this.#unseen();
        if (this.#attention === 'none') {
          this.#line.letGo();
          await this.#sleeper.sleep(unwatchedRetryMs);
          continue;
        }
        await this.#sleeper.sleep(waitMs);
        waitMs = Math.min(waitMs * 2, retryMs.most);
        continue;
      }
      waitMs = retryMs.least;
      if (session !== had) this.#begin(session);
      await this.#rest(session, await this.#step(session));
    }
    this.#line.close();
  }

  /** Sleeps, but not through anything that starts in the guest meanwhile. */
  async #rest(session: GuestSession, ms: number): Promise<void> {
    const last = this.#last;
    if (ms <= pollMs || this.#trace !== null || last === null) return this.#sleeper.sleep(ms);
    const leave = this.#options.pulse.join(() => {
      if (hasStirred(last, session.activity())) this.#sleeper.wake();
    });
    await this.#sleeper.sleep(ms);
    leave();
  }

  /** Nobody asked to watch it and the last look is fresh: the monitor is free for whoever else wants it. */
  #mayRest(): boolean {
    const sinceMs = this.#clock.monotonic() - this.#lastSweepAtMs;
    const isFresh = this.#lastSweep !== null && sinceMs < unwatchedSweepMs;
    return this.#attention === 'none' && this.#needed === 0 && isFresh;
  }

  close(): void {
    this.#closed = true;
    this.#line.close();
    this.#sleeper.wake();
  }

  /** Called when a manifest came, went or changed: what is there is reported again, to be judged by it. */
  attend(attention: Attention): void {
    this.#attention = attention;
    if (attention === 'none') {
      this.#sensor = null;
      this.#kept.rest();
    } else if (this.#sensor === null) this.#sensor = new GuestSensor({ host: this.entry.id });
    else {
      this.#sensor.restate();
      this.#trace?.restate();
    }
    this.#lastSweepAtMs = Number.NEGATIVE_INFINITY;
    this.#sleeper.wake();
  }

  /** A trace tells of everything from now on, and sweeps only check on it; null = sweeps are all there is again. */
  follow(trace: CrossCheck | null): void {
    this.#trace = trace;
    this.#line.traced = trace !== null;
    this.#sleeper.wake();
  }

  /** Its monitor is not given back, also when nobody watches it, until what this answers is called. */
  keepMonitor(): () => void {
    let isKept = true;
    this.#needed += 1;
    return () => {
      if (isKept) this.#needed -= 1;
      isKept = false;
    };
  }

  /** From then until then the trace may have missed something. */
  lost(fromMs: number, untilMs: number, missed: number): void {
    this.#kept.lost(fromMs, untilMs, missed);
  }

  /** Its monitor, brought up if it rests; null when it cannot be reached. */
  async monitor(): Promise<Monitor | null> {
    await this.#line.bring();
    return this.#line.monitor;
  }

  /** The session that looks into it, brought up if it rests; null when it cannot be looked into. */
  async session(): Promise<GuestSession | null> {
    return await this.#line.bring();
  }

  takeCoverage(): Coverage | null {
    return this.#kept.takeCoverage();
  }

  async enforcer(): Promise<Enforcer | null> {
    if (this.#line.resting) await this.#line.bring();
    return this.#line.enforcer();
  }

  /** A look for a person, beside those the watch takes. */
  async look(options: SweepOptions): Promise<Result<{ session: GuestSession; sweep: SweepResult; attachMs: number }>> {
    if (this.#line.resting) await this.#line.bring();
    const { session, why, attachMs } = this.#line;
    if (session === null)
      return fail(
        problem('unreadable', `VM ${this.entry.handle.name} cannot be looked into: ${why ?? 'not attached yet'}`),
      );
    const swept = session.sweep(options);
    return swept.ok ? { ok: true, value: { session, sweep: swept.value, attachMs: attachMs ?? 0 } } : swept;
  }

  view(): Vm {
    const { host } = this.#options;
    const seenAt = isoTime(this.#clock.now());
    const why = remarksOf({ isWatched: this.watched, bootSeen: this.#bootSeen, heldMs: this.#heldMs });
    return viewOf({ entry: this.entry, host, line: this.#line, sweep: this.#lastSweep, why, seenAt });
  }

  #begin(session: GuestSession): void {
    const nowMs = this.#clock.now();
    const activity = session.activity();
    const { id, run } = this.entry;
    this.#incarnation = this.#options.listener.attached(id, {
      run,
      identity: session.identity,
      activity,
      replaced: this.#replaced,
      rebooted: this.#line.takeRebooted(),
    });
    this.#replaced = false;
    this.#last = activity;
    this.#verifiedAtMs = this.#clock.monotonic();
    this.#bootSeen = nowMs - session.identity.bootedMs < bootSeenMs;
    if (this.#attention === 'watch') this.#lastSweep = null;
    this.#lastSweepAtMs = Number.NEGATIVE_INFINITY;
    this.#kept.begun();
    if (this.#attention === 'watch') this.#sensor = new GuestSensor({ host: id });
    const wentBack = this.#incarnation.began === 'went-back';
    if (wentBack && this.#attention === 'watch')
      this.#guard(
        'guest-went-back',
        'The VM was put back to an earlier state of itself; what it did since is undone inside it.',
      );
    this.#options.log.info('guest attached', {
      vm: id,
      name: this.entry.handle.name,
      attachMs: Math.round(this.#line.attachMs ?? 0),
      incarnation: this.#incarnation.number,
    });
  }

  /** One turn of the loop; answers how long to wait before the next. */
  async #step(session: GuestSession): Promise<number> {
    const monotonicMs = this.#clock.monotonic();
    if (this.#line.suspect || monotonicMs - this.#verifiedAtMs > verifyEveryMs) {
      this.#verifiedAtMs = monotonicMs;
      if ((await this.#line.verify()) === 'changed') {
        this.#replaced = true;
        return 0;
      }
    }
    const activity = session.activity();
    if (activity.ticks < 0) {
      this.#line.distrust();
      return pausedPollMs;
    }
    if (this.#last !== null && hasGoneBack(this.#last, activity)) {
      this.#replaced = true;
      this.#line.drop('another system runs in it now');
      return 0;
    }
    if (this.#last?.forks !== activity.forks || this.#last.traffic !== activity.traffic) this.#movedAtMs = monotonicMs;
    this.#last = activity;
    if (this.#attention === 'none') return this.#idleLook(session, monotonicMs);
    if (monotonicMs - this.#notedAtMs > noteEveryMs) {
      this.#notedAtMs = monotonicMs;
      this.#options.listener.note(this.entry.id, activity);
    }
    if (this.#line.paused && this.#lastSweep !== null) {
      this.#kept.interrupted();
      return pausedPollMs;
    }
    const fresh = this.#lastSweepAtMs === Number.NEGATIVE_INFINITY;
    if (this.#trace !== null) {
      if (fresh || monotonicMs - this.#lastSweepAtMs >= tracedSweepMs) this.#sweep(session, activity);
      return tracedPollMs;
    }
    if (fresh || this.#pace.due(monotonicMs, this.#hasMoved(activity))) this.#sweep(session, activity);
    if (monotonicMs - this.#movedAtMs < busyForMs) return busyPollMs;
    if (this.#hasMoved(activity)) return pollMs;
    return Math.max(pollMs, Math.min(this.#pace.quietMs(monotonicMs), quietMsMax));
  }

  /** Something started, or a socket was used, since the last look began. */
  #hasMoved({ forks, traffic }: Activity): boolean {
    return forks !== this.#atSweep?.forks || traffic !== this.#atSweep.traffic;
  }

  #idleLook(session: GuestSession, monotonicMs: number): number {
    const swept = session.sweep();
    if (!swept.ok) return unwatchedPollMs;
    this.#lastSweepAtMs = monotonicMs;
    this.#lastSweep = swept.value;
    this.standing.tell(swept.value, monotonicMs);
    return 0;
  }

  #sweep(session: GuestSession, before: Activity): void {
    const beganMs = this.#clock.monotonic();
    const busyBeforeMs = this.#options.busyMs();
    this.#lastSweepAtMs = beganMs;
    this.#atSweep = before;
    const swept = session.sweep();
    const nowMs = this.#clock.now();
    this.#kept.seen(nowMs);
    if (!swept.ok || this.#sensor === null) {
      this.#line.distrust();
      this.#kept.failed(nowMs);
      this.#paced(beganMs, busyBeforeMs, { lively: false, lookAgain: false });
      return;
    }
    this.#lastSweep = swept.value;
    const after = session.activity();
    const look = {
      sweep: swept.value,
      forksBefore: before.forks,
      forksAfter: after.ticks < 0 ? before.forks : after.forks,
    };
    const news = this.#sensor.next(look, () => {
      const threads = session.sweep({ light: true, threads: true, sockets: false });
      return threads.ok ? threads.value : null;
    });
    this.#paced(beganMs, busyBeforeMs, news);
    this.standing.tell(swept.value, beganMs);
    if (this.#trace !== null) return this.#checkTrace(this.#trace, news, nowMs);
    for (const event of news.events) if (event.kind === 'loss') this.#countLoss(event, news.missed);
    if (news.events.length > 0) this.#options.listener.news(this.entry.id, news.events);
  }

  #checkTrace(trace: CrossCheck, news: News, nowMs: number): void {
    const { events, missed } = trace.swept(news.events, nowMs);
    if (missed > 0) this.#kept.lost(nowMs - tracedSweepMs, nowMs, missed);
    if (events.length > 0) this.#options.listener.news(this.entry.id, events);
  }

  #paced(beganMs: number, busyBeforeMs: number, news: Pick<News, 'lively' | 'lookAgain'>): void {
    const atMs = this.#clock.monotonic();
    const heldMs = this.#pace.takeHeldMs(beganMs);
    if (heldMs > 0) this.#kept.lost(this.#clock.now() - heldMs, this.#clock.now(), 0);
    this.#heldMs += heldMs;
    const { lively, lookAgain } = news;
    this.#pace.done({ atMs, costMs: this.#options.busyMs() - busyBeforeMs, lively, lookAgain });
  }

  #countLoss(event: RawEvent, missed: number): void {
    this.#kept.lost(Date.parse(event.ts ?? ''), Date.parse(event.until ?? ''), missed);
  }

  /** Nothing can be seen now. While the VM runs, somebody should be able to. */
  #unseen(): void {
    if (this.#attention === 'none' || this.#line.paused) return this.#kept.rest();
    if (this.#kept.unseen(this.#clock.now()))
      this.#guard('lost-sight', `The VM runs and cannot be looked into: ${this.#line.why ?? 'no reason known'}`);
  }

  #guard(what: GuardEvent['what'], detail: string): void {
    this.#options.listener.guard({
      vm: this.entry.id,
      at: isoTime(this.#clock.now()),
      what,
      detail: detail.slice(0, 2000),
    });
  }
}
