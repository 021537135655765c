// The inside of a tracer process: opens the trace it is told to, answers attempts by the manifest it was given, and hands lines
// back in batches. It knows no manager, no keys and no hypervisor's monitor.
import { BoundedQueue } from '../../kit/bounded-queue.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Problem } from '../../kit/problem.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { Result } from '../../kit/result.ts';
import type { Finding } from '../../model/finding.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { HeldAnswer } from '../../model/remediation.ts';
import type { Attempt, Decide, TracedEvent, TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';
import { title } from '../../stages/assess/assess.ts';
import { actsInline, type InlineJudge, inlineJudge } from './inline-judge.ts';
import type { FromTracer, ReportedLine, ToTracer } from './tracer-messages.ts';

/** A trace that runs, as far as this program uses it. */
export interface OpenedTrace {
  /** Kinds of events of which every occurrence is seen. */
  readonly covers: readonly string[];
  /** Kinds that are not, and why, in words. */
  readonly uncovered: readonly string[];
  /** Settles when the trace has ended by itself; null = it was closed. */
  readonly ended: Promise<Problem | null>;
  summary(): TraceSummary;
  release(answer: HeldAnswer): void;
  /** Tells what is not judged as well, or no longer. */
  tellAll(all: boolean): void;
  /** Detaches; null when the guest was seen to run afterwards, else why not. */
  close(): Promise<string | null>;
}

export interface OpenedTraceOptions {
  /** Absent = nothing is answered, and the guest's memory is opened for reading only. */
  readonly decide?: Decide;
  /** Only what is judged is told, until `tellAll`: the rest would cost the guest a stop each for nothing. */
  readonly onlyJudged: boolean;
  readonly holdMs: number;
  readonly onLine: (line: TraceLine) => void;
  /** Called with null when the attempt was answered, by whomever. */
  readonly onHeld: (attempt: Attempt | null) => void;
}

export type OpenTrace = (target: unknown, options: OpenedTraceOptions) => Promise<Result<OpenedTrace>>;

export interface TracerHostOptions {
  readonly open: OpenTrace;
  readonly clock: Clock;
  /** Settles when the message has left this process. */
  readonly post: (message: FromTracer) => Promise<void>;
}

const linesMax = 20_000;
const batchMax = 500;
const gatherMs = 5;
const beatEveryMs = 1000;
const releasedMax = 1000;

export class TracerHost {
  readonly #options: TracerHostOptions;
  readonly #lines = new BoundedQueue<ReportedLine>(linesMax);
  #dropped: { readonly from: string; until: string; seq: number; missed: number } | null = null;
  #judge: InlineJudge | null = null;
  #trace: OpenedTrace | null = null;
  #sending = false;
  #gathering: NodeJS.Timeout | null = null;
  #beat: NodeJS.Timeout | null = null;
  #ended = false;
  /** Held, and allowed by a person. */
  readonly #releasedKeys = new RecentMap<string, true>(releasedMax);
  #heldNow: Attempt | null = null;
  #tellsAll = false;

  constructor(options: TracerHostOptions) {
    this.#options = options;
  }

  async receive(message: ToTracer): Promise<void> {
    switch (message.say) {
      case 'begin':
        return await this.#begin(message);
      case 'judge':
        return this.#judgeBy(message.manifest);
      case 'tell':
        return this.#tellAll(message.all);
      case 'release':
        return this.#release(message.answer);
      case 'close':
        return await this.close();
    }
  }

  /** Detaches and says what came of it all. */
  async close(): Promise<void> {
    await this.#end((await this.#trace?.close()) ?? null);
  }

  async #begin({ target, manifest, holdMs }: ToTracer & { readonly say: 'begin' }): Promise<void> {
    const { post, open } = this.#options;
    this.#beat = setInterval(() => void post({ say: 'beat', summary: this.#trace?.summary() ?? null }), beatEveryMs);
    if (manifest !== null) this.#judgeBy(manifest);
    const inline = manifest !== null && actsInline(manifest);
    const opened = await open(target, {
      ...(inline ? { decide: (attempt) => this.#decide(attempt) } : {}),
      onlyJudged: manifest !== null,
      holdMs,
      onLine: (line) => this.#take(line),
      onHeld: (attempt) => this.#held(attempt, holdMs),
    });
    if (!opened.ok) {
      clearInterval(this.#beat);
      return await post({ say: 'failed', problem: opened.error });
    }
    this.#trace = opened.value;
    if (this.#tellsAll) opened.value.tellAll(true);
    const { covers, uncovered } = opened.value;
    await post({ say: 'began', covers, uncovered });
    const why = await opened.value.ended;
    if (why !== null) await this.#end((await opened.value.close()) ?? sayProblem(why));
  }

  /** A manifest that cannot be used leaves the one before in place: the vault has refused it before it came here. */
  #judgeBy(manifest: Manifest): void {
    const judge = inlineJudge(manifest, this.#judge);
    if (judge.ok) this.#judge = judge.value;
  }

  /** Said before the trace is open, it is done then. */
  #tellAll(all: boolean): void {
    this.#tellsAll = all;
    this.#trace?.tellAll(all);
  }

  #decide(attempt: Attempt): ReturnType<Decide> {
    // A script is judged by what runs it: the manifest knows the interpreter, with the script among its arguments.
    if (attempt.interpreted === true) return 'allow';
    return this.#judge?.answer(attempt)?.action ?? 'allow';
  }

  #release(answer: HeldAnswer): void {
    if (answer === 'allow' && this.#heldNow !== null) this.#releasedKeys.set(deedOf(this.#heldNow), true);
    this.#trace?.release(answer);
  }

  #held(attempt: Attempt | null, holdMs: number): void {
    this.#heldNow = attempt;
    if (attempt === null) return void this.#options.post({ say: 'released' });
    const finding = this.#judge?.answer(attempt)?.finding;
    if (finding === undefined) return this.#trace?.release('allow');
    const untilMs = this.#options.clock.now() + holdMs;
    void this.#options.post({ say: 'held', what: title(finding), finding, untilMs });
  }

  #take(line: TraceLine): void {
    const reported = this.#withAnswer(line);
    if (!this.#lines.offer(reported)) this.#drop(line);
    const isUrgent = reported.refused !== undefined || reported.notRefused !== undefined;
    if (this.#sending || (this.#gathering !== null && !isUrgent)) return;
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => void this.#send(), isUrgent ? 0 : gatherMs);
  }

  /** Judged again rather than remembered: the same manifest gives the same answer, and a refusal is rare. */
  #withAnswer(line: TraceLine): ReportedLine {
    if (line.kind === 'loss' || this.#judge === null) return { line };
    if (isRefused(line)) {
      const finding = this.#findingOf(line);
      return finding === null ? { line } : { line, refused: finding };
    }
    // An attempt that was held and allowed by a person is no failure.
    if (!isAttempt(line) || this.#releasedKeys.delete(deedOf(line))) return { line };
    const finding = this.#findingOf(line);
    return finding === null || !this.#decides() ? { line } : { line, notRefused: finding };
  }

  #decides(): boolean {
    return this.#judge?.acts === true;
  }

  #findingOf(line: TracedEvent): Finding | null {
    return this.#judge?.answer(line)?.finding ?? null;
  }

  #drop({ ts, seq }: TraceLine): void {
    const dropped = (this.#dropped ??= { from: ts, until: ts, seq, missed: 0 });
    dropped.until = ts;
    dropped.seq = seq;
    dropped.missed += 1;
  }

  async #send(): Promise<void> {
    this.#gathering = null;
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let lines = this.#nextBatch(); lines.length > 0; lines = this.#nextBatch())
        await this.#options.post({ say: 'report', lines });
    } finally {
      this.#sending = false;
    }
  }

  #nextBatch(): ReportedLine[] {
    const lines = this.#lines.take(batchMax);
    const dropped = this.#dropped;
    if (dropped === null || this.#lines.size > 0) return lines;
    this.#dropped = null;
    const reason = 'lines came faster than they could be handed on';
    return [...lines, { line: { kind: 'loss', ts: dropped.until, ...dropped, reason } }];
  }

  async #end(why: string | null): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#beat !== null) clearInterval(this.#beat);
    await this.#send();
    const summary = this.#trace?.summary();
    if (summary !== undefined) return await this.#options.post({ say: 'ended', summary, why });
    await this.#options.post({ say: 'failed', problem: problem('interrupted', 'It was closed before it had begun.') });
  }
}

function isRefused({ verdict }: TracedEvent): boolean {
  return verdict === 'block' || verdict === 'kill' || verdict === 'hold';
}

function isAttempt({ kind }: TracedEvent): boolean {
  return kind === 'exec' || kind === 'connect' || kind === 'listen' || kind === 'bind';
}

/** What a process attempts, and then has done. */
function deedOf({ kind, tgid, startedAfterBootUs, exe, remoteAddr, remotePort }: Attempt | TracedEvent): string {
  return JSON.stringify([kind, tgid, startedAfterBootUs, kind === 'exec' ? exe : [remoteAddr, remotePort]]);
}
