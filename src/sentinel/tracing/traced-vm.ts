// One traced VM: its trace, what it answered inside, and the sweeps that go on beside it as a cross-check.
import { isoTime } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { Finding } from '../../model/finding.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { HeldAnswer } from '../../model/remediation.ts';
import type { Vm } from '../../model/vm.ts';
import type { TraceLoss, TraceSummary } from '../../introspection/trace/trace-event.ts';
import { rawEventOf } from '../../sensors/introspection/trace-events.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import { CrossCheck } from './cross-check.ts';
import { InlineAnswers } from './inline-answers.ts';
import type { ReportedLine } from './tracer-messages.ts';
import type { Follower, TracingsListener, TracingsOptions } from './tracings.ts';
import { VmTrace } from './vm-trace.ts';

export interface TracedVmOptions extends Omit<TracingsOptions, 'listener'> {
  readonly listener: TracingsListener & Pick<Follower, 'line' | 'progress'>;
  readonly watch: VmWatch;
  readonly inline: boolean;
  /** Null = nobody asked for it but a person who follows. */
  readonly manifest: Manifest | null;
  /** Called each time a trace ended by itself. */
  readonly lost: (why: string) => void;
}

const undecidedEveryMs = 60_000;

export class TracedVm {
  readonly vm: string;
  readonly #options: TracedVmOptions;
  readonly #trace: VmTrace;
  readonly #answers: InlineAnswers;
  readonly #incarnation: number;
  #manifest: Manifest | null;
  readonly #freeMonitor: () => void;
  #cross: CrossCheck | null = null;
  /** Told already when it was held. */
  #toldHeld: string | null = null;
  #blindSinceMs: number | null;
  #toldLost = false;
  #toldUndecidedMs = Number.NEGATIVE_INFINITY;
  #summary: TraceSummary | null = null;

  constructor(options: TracedVmOptions) {
    const { watch, clock, log, startTracer, prepare, holdMs, settled, listener, manifest } = options;
    this.vm = watch.entry.id;
    this.#options = options;
    this.#manifest = manifest;
    this.#incarnation = watch.incarnation;
    this.#freeMonitor = watch.keepMonitor();
    this.#blindSinceMs = clock.monotonic();
    this.#answers = new InlineAnswers({
      vm: this.vm,
      clock,
      incarnation: () => watch.incarnation,
      settled,
      tell: (remediation) => listener.remedy(remediation),
      guard: (event) => listener.guard(event),
    });
    const hear = {
      sight: (isComplete: boolean) => this.#sight(isComplete),
      report: (lines: readonly ReportedLine[]) => this.#report(lines),
      held: (finding: Finding) => this.#held(finding),
      progress: (summary: TraceSummary) => {
        this.#summary = summary;
        listener.progress(summary, 'tracing');
      },
    };
    this.#trace = new VmTrace(
      { vm: this.vm, clock, log, startTracer, holdMs, prepare: () => prepare(watch), listener: hear },
      manifest,
    );
  }

  /** Of its tracer of now, as of a second ago. */
  get summary(): TraceSummary | null {
    return this.#summary;
  }

  start(): void {
    this.#trace.start();
  }

  /** Another system runs in the VM, or what may be written to its memory has changed. */
  mustBeginAnew(inline: boolean): boolean {
    return inline !== this.#options.inline || this.#options.watch.incarnation !== this.#incarnation;
  }

  tend(manifest: Manifest | null, isAsked: boolean): void {
    this.#answers.settle();
    if (isAsked && manifest !== null && manifest !== this.#manifest) {
      this.#manifest = manifest;
      this.#trace.judge(manifest);
    }
    if (isAsked) this.#tellWhenLost();
  }

  /** For as long as somebody looks on. */
  tellAll(all: boolean): void {
    this.#trace.tellAll(all);
  }

  view(): Pick<Vm, 'trace' | 'held'> {
    const { state, held } = this.#trace;
    return { trace: state, ...(held === null ? {} : { held }) };
  }

  async release(answer: HeldAnswer): Promise<Result<void>> {
    if (this.#trace.held === null)
      return fail(problem('refused', `Nothing is held on VM ${this.vm}.`, 'Its deadline may have passed.'));
    return await this.#trace.release(answer);
  }

  async close(): Promise<void> {
    await this.#trace.close();
    this.#freeMonitor();
    this.#answers.settle('it was asked to');
  }

  #sight(isComplete: boolean): void {
    const { watch, clock, listener, lost } = this.#options;
    if (isComplete) {
      this.#blindSinceMs = null;
      this.#toldLost = false;
      this.#cross = new CrossCheck();
      listener.progress(null, 'tracing');
      return watch.follow(this.#cross);
    }
    this.#blindSinceMs ??= clock.monotonic();
    this.#summary = null;
    const untold = this.#cross?.flush() ?? [];
    this.#cross = null;
    watch.follow(null);
    if (untold.length > 0) listener.news(this.vm, untold);
    const why = this.#trace.state.why ?? 'the trace has ended';
    this.#answers.settle(why);
    lost(why);
  }

  #report(lines: readonly ReportedLine[]): void {
    const { watch, listener } = this.#options;
    const events: RawEvent[] = [];
    for (const { line, refused, notRefused } of lines) {
      listener.line(line);
      this.#answers.hear(line);
      if (line.kind === 'loss') {
        watch.lost(Date.parse(line.from), Date.parse(line.until), line.missed ?? 0);
        if (this.#options.inline) this.#tellUndecided(line);
        continue;
      }
      if (refused !== undefined) {
        this.#answers.refused(line, refused);
        if (this.#toldHeld !== refused.group) listener.found(refused);
        this.#toldHeld = null;
        continue;
      }
      if (notRefused !== undefined) this.#answers.notRefused(line, notRefused);
      const event = rawEventOf(this.vm, line);
      if (event !== null) events.push(event);
    }
    this.#cross?.heard(events);
    this.#answers.settle();
    if (events.length > 0) listener.news(this.vm, events);
  }

  #held(finding: Finding): void {
    this.#toldHeld = finding.group;
    this.#options.listener.found(finding);
  }

  /** While nobody is asked nothing is refused: that is for a person to know, if not each time. */
  #tellUndecided({ from, until, reason }: TraceLoss): void {
    const { clock, listener } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs - this.#toldUndecidedMs < undecidedEveryMs) return;
    this.#toldUndecidedMs = nowMs;
    const detail = `From ${from} to ${until} attempts may have gone through undecided: ${reason}`;
    const event = { vm: this.vm, at: isoTime(clock.now()), what: 'trace-lost', subject: 'inline' } as const;
    listener.guard({ ...event, detail: detail.slice(0, 2000) });
  }

  #tellWhenLost(): void {
    const { clock, lostMs, watch, listener } = this.#options;
    if (this.#blindSinceMs === null || this.#toldLost || !watch.running) return;
    if (clock.monotonic() - this.#blindSinceMs < lostMs) return;
    this.#toldLost = true;
    const why = this.#trace.state.why ?? 'the trace could not be begun yet';
    const detail = `${why} Until it comes back the VM is watched by sweeps, and nothing is refused inside it.`;
    listener.guard({ vm: this.vm, at: isoTime(clock.now()), what: 'trace-lost', detail: detail.slice(0, 2000) });
  }
}
