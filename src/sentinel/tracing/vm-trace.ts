// One VM's trace over the lives of its tracer processes: prepares the stub, starts a tracer, hands on what it reports, and
// starts another when one died, waiting longer each time. It decides nothing about what it hears.
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Finding } from '../../model/finding.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { HeldAnswer } from '../../model/remediation.ts';
import type { HeldAttempt, TraceState } from '../../model/vm.ts';
import type { LeaveNotice } from '../../introspection/trace/leave-notice.ts';
import type { TraceSummary } from '../../introspection/trace/trace-event.ts';
import { Sleeper } from '../watch/sleeper.ts';
import type { FromTracer, ReportedLine, StartTracer, TracerLink } from './tracer-messages.ts';

/** The guest made ready to be traced: what a tracer needs to know, and how it is left as it was. */
export interface TraceGround {
  readonly target: unknown;
  /** Settles when the tracer has to leave in order. */
  readonly mustLeave: Promise<LeaveNotice>;
  /** `inOrder`: the tracer has seen the guest run on without it. */
  leave(inOrder: boolean): Promise<void>;
}

export interface VmTraceListener {
  /** Complete from now on, or no longer. */
  sight(isComplete: boolean): void;
  report(lines: readonly ReportedLine[]): void;
  held(finding: Finding): void;
  /** What came of this tracer so far; about once a second. */
  progress(summary: TraceSummary): void;
}

export interface VmTraceOptions {
  readonly vm: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly startTracer: StartTracer;
  readonly prepare: () => Promise<Result<TraceGround>>;
  readonly holdMs: number;
  readonly listener: VmTraceListener;
}

const backOffMs = { least: 500, most: 30_000 };
/** A trace that held so long was no false start. */
const soundMs = 60_000;
const beginMs = 60_000;
const silenceMs = 8000;
/** A tracer that leaves waits for the guest to be seen running. */
const closingMs = 9000;
const watchEveryMs = 1000;

export class VmTrace {
  readonly #options: VmTraceOptions;
  readonly #sleeper = new Sleeper();
  #manifest: Manifest | null;
  #link: TracerLink | null = null;
  #state: TraceState;
  #held: HeldAttempt | null = null;
  #tellsAll = false;
  #closed = false;
  #over: ((why: string) => void) | null = null;
  /** Why the tracer was told to leave, and since when it may have missed something; it comes back. */
  #notice: { readonly why: string; readonly blindFromMs: number | null } | null = null;
  #lastSeq = 0;
  #leftInOrder = false;
  #heardMs = 0;
  #beganMs: number | null = null;
  #summary: TraceSummary | null = null;
  #answer: ((result: Result<void>) => void) | null = null;
  #done: Promise<void> | null = null;

  constructor(options: VmTraceOptions, manifest: Manifest | null) {
    this.#options = options;
    this.#manifest = manifest;
    this.#state = { state: 'starting', since: this.#now() };
  }

  get state(): TraceState {
    return this.#state;
  }

  get held(): HeldAttempt | null {
    return this.#held;
  }

  /** Of the last tracer that ended in order. */
  get summary(): TraceSummary | null {
    return this.#summary;
  }

  start(): void {
    this.#done ??= this.#run();
  }

  judge(manifest: Manifest | null): void {
    this.#manifest = manifest;
    if (manifest !== null) this.#link?.send({ say: 'judge', manifest });
  }

  /** Whether everything is to be told, also what is not judged: by this tracer and those after it. */
  tellAll(all: boolean): void {
    if (this.#tellsAll === all) return;
    this.#tellsAll = all;
    this.#link?.send({ say: 'tell', all });
  }

  /** Answers what is held; settles when the tracer has done it. */
  release(answer: HeldAnswer): Promise<Result<void>> {
    const link = this.#link;
    if (link === null || this.#held === null)
      return Promise.resolve(fail(problem('refused', `Nothing is held on VM ${this.#options.vm} any more.`)));
    const { promise, resolve } = Promise.withResolvers<Result<void>>();
    this.#answer = resolve;
    link.send({ say: 'release', answer });
    return promise;
  }

  /** Detaches; the guest runs on as if nobody had been there. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#link?.send({ say: 'close' });
    this.#sleeper.wake();
    const late = setTimeout(() => this.#link?.kill(), closingMs);
    await this.#done;
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    let waitMs = backOffMs.least;
    while (!this.#closed) {
      const beganMs = this.#options.clock.monotonic();
      const why = await this.#once();
      this.#setHeld(null);
      if (this.#closed) break;
      const wasSound = this.#options.clock.monotonic() - beganMs > soundMs;
      waitMs = wasSound ? backOffMs.least : Math.min(waitMs * 2, backOffMs.most);
      this.#options.log.warn('trace ended', { vm: this.#options.vm, why, againInMs: waitMs });
      await this.#sleeper.sleep(waitMs);
    }
  }

  /** One tracer from its start to its end; answers why it ended. */
  async #once(): Promise<string> {
    this.#become({ ...this.#state, state: this.#state.state === 'lost' ? 'lost' : 'starting' });
    const ground = await this.#options.prepare();
    if (!ground.ok) return this.#fallen(sayProblem(ground.error));
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#over = resolve;
    this.#heardMs = this.#options.clock.monotonic();
    this.#beganMs = null;
    this.#notice = null;
    this.#lastSeq = 0;
    this.#leftInOrder = false;
    const link = this.#options.startTracer({ hear: (message) => this.#hear(message), gone: (why) => resolve(why) });
    this.#link = link;
    const { target, mustLeave } = ground.value;
    void mustLeave.then((notice) => this.#makeLeave(link, notice, promise));
    link.send({ say: 'begin', target, manifest: this.#manifest, holdMs: this.#options.holdMs });
    if (this.#tellsAll) link.send({ say: 'tell', all: true });
    if (this.#closed) link.send({ say: 'close' });
    const watchdog = setInterval(() => this.#watch(), watchEveryMs);
    const why = await promise;
    clearInterval(watchdog);
    link.kill();
    this.#link = null;
    this.#tellBlind();
    this.#fallen(why);
    this.#settleAnswer(fail(problem('failed', `The tracer of VM ${this.#options.vm} ended: ${why}.`)));
    await ground.value.leave(this.#leftInOrder);
    return why;
  }

  /** This tracer leaves in order, and another is tried for as after any end. */
  async #makeLeave(link: TracerLink, { why, blindMs }: LeaveNotice, left: Promise<string>): Promise<void> {
    if (this.#link !== link) return;
    this.#notice = { why, blindFromMs: blindMs > 0 ? this.#options.clock.now() - blindMs : null };
    link.send({ say: 'close' });
    const late = setTimeout(() => link.kill(), closingMs);
    await left;
    clearTimeout(late);
  }

  /** What the tracer cannot know itself; told before its end. */
  #tellBlind(): void {
    const { why = '', blindFromMs = null } = this.#notice ?? {};
    if (blindFromMs === null) return;
    const [from, until] = [isoTime(blindFromMs), this.#now()];
    const line = { kind: 'loss', ts: until, seq: this.#lastSeq + 1, from, until, missed: null, reason: why } as const;
    this.#options.listener.report([{ line }]);
  }

  #fallen(why: string): string {
    if (!this.#closed) this.#become({ state: 'lost', since: this.#now(), why: why.slice(0, 2000) });
    this.#options.listener.sight(false);
    return why;
  }

  #hear(message: FromTracer): void {
    this.#heardMs = this.#options.clock.monotonic();
    const { listener } = this.#options;
    switch (message.say) {
      case 'began':
        this.#beganMs = this.#heardMs;
        this.#become({ state: 'tracing', since: this.#now(), ...uncoveredIn(message) });
        return listener.sight(true);
      case 'failed':
        return this.#over?.(sayProblem(message.problem));
      case 'report':
        this.#lastSeq = message.lines.at(-1)?.line.seq ?? this.#lastSeq;
        return listener.report(message.lines);
      case 'held':
        this.#setHeld(heldOf(message, this.#now()));
        return listener.held(message.finding);
      case 'released':
        this.#setHeld(null);
        return this.#settleAnswer(ok(undefined));
      case 'ended':
        this.#summary = message.summary;
        this.#leftInOrder = message.why === null;
        return this.#over?.(message.why ?? this.#notice?.why ?? 'closed');
      case 'beat':
        if (message.summary !== null) listener.progress(message.summary);
        return;
    }
  }

  /** A tracer that says nothing hangs; its guardian has let the guest run by now. */
  #watch(): void {
    const silentMs = this.#options.clock.monotonic() - this.#heardMs;
    const patienceMs = this.#beganMs === null ? beginMs : silenceMs;
    if (silentMs < patienceMs) return;
    this.#link?.kill();
    this.#over?.(`the tracer has said nothing for ${Math.round(silentMs / 1000)} s`);
  }

  #setHeld(held: HeldAttempt | null): void {
    this.#held = held;
  }

  #settleAnswer(result: Result<void>): void {
    this.#answer?.(result);
    this.#answer = null;
  }

  #become(state: TraceState): void {
    this.#state = state;
  }

  #now(): string {
    return isoTime(this.#options.clock.now());
  }
}

function heldOf({ what, finding, untilMs }: FromTracer & { readonly say: 'held' }, since: string): HeldAttempt {
  return { what: what.slice(0, 1000), group: finding.group, since, until: isoTime(untilMs) };
}

function uncoveredIn({ uncovered }: FromTracer & { readonly say: 'began' }): { readonly why?: string } {
  return uncovered.length === 0 ? {} : { why: `not seen: ${uncovered.join('; ')}`.slice(0, 2000) };
}
