// What was refused inside a guest, as remediations: told when the trace that goes on has shown for a while that it did not
// happen after all. What happens although it was refused is a matter for a person.
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { Finding } from '../../model/finding.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { InlineAction, Step, Remediation } from '../../model/remediation.ts';
import type { TracedEvent, TraceLine } from '../../introspection/trace/trace-event.ts';
import { title } from '../../stages/assess/assess.ts';
import { inlineStep } from '../../stages/respond/steps.ts';
import { occurrenceOf } from '../answers/executor.ts';

export interface InlineAnswersOptions {
  readonly vm: string;
  readonly clock: Clock;
  readonly incarnation: () => number;
  /** Whether this step was told as done already: the same attempt again is counted by its alarm. */
  readonly settled: (id: string) => boolean;
  readonly tell: (remediation: Remediation) => void;
  readonly guard: (event: GuardEvent) => void;
}

interface Pending {
  readonly step: Step;
  readonly finding: Finding;
  readonly attempt: TracedEvent;
  readonly startedAt: string;
  readonly dueMs: number;
  /** What speaks against it. */
  contradicted: string | null;
  doubted: string | null;
  ended: boolean;
}

/** A refused call returns at once, and what it would have done follows within milliseconds. */
const watchMs = 1000;
const pendingMax = 10_000;

export class InlineAnswers {
  readonly #options: InlineAnswersOptions;
  readonly #pending = new Map<string, Pending>();

  constructor(options: InlineAnswersOptions) {
    this.#options = options;
  }

  refused(attempt: TracedEvent, finding: Finding): void {
    const { incarnation, settled, clock } = this.#options;
    const action = actionOf(attempt);
    if (action === null) return;
    const step = occurrenceOf(inlineStep(action, finding), incarnation());
    if (settled(step.id) || this.#pending.has(step.id) || this.#pending.size >= pendingMax) return;
    const startedAt = isoTime(clock.now());
    const pending = { step, finding, attempt, startedAt, dueMs: clock.monotonic() + watchMs };
    this.#pending.set(step.id, { ...pending, contradicted: null, doubted: null, ended: false });
    this.#options.tell(remediationOf(pending, 'executing', '', null));
  }

  notRefused(attempt: TracedEvent, finding: Finding): void {
    this.#fail(finding, `${title(finding)} (process ${attempt.tgid})`);
  }

  /** Everything the trace reports from then on. */
  hear(line: TraceLine): void {
    if (this.#pending.size === 0) return;
    for (const pending of this.#pending.values()) {
      if (line.kind === 'loss') pending.doubted ??= `the trace was lossy just then: ${line.reason}`;
      else if (isSameProcess(line, pending.attempt)) this.#compare(line, pending);
    }
  }

  /** Tells of those that have been watched for long enough; when the trace has ended, and why, of all. */
  settle(ended: string | null = null): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [id, pending] of this.#pending) {
      if (ended === null && pending.dueMs > nowMs) continue;
      this.#pending.delete(id);
      this.#conclude(pending, pending.dueMs > nowMs ? ended : null);
    }
  }

  #compare(line: TracedEvent, pending: Pending): void {
    if (line.kind === 'exit') pending.ended = true;
    else if (line.seq > pending.attempt.seq && happened(line) && isSameDeed(line, pending.attempt))
      pending.contradicted ??= `it happened all the same at ${line.ts}`;
  }

  #conclude(pending: Pending, cutShort: string | null): void {
    const { step, attempt, finding, contradicted } = pending;
    const endedAt = isoTime(this.#options.clock.now());
    const did = `${deed(attempt)} of process ${attempt.tgid} (${attempt.comm}) was refused at ${attempt.ts}`;
    if (contradicted !== null) {
      this.#options.tell(remediationOf(pending, 'failed', `${did}, but ${contradicted}`, endedAt));
      this.#fail(finding, `${title(finding)}: ${contradicted}`);
      return;
    }
    const doubt = cutShort === null ? pending.doubted : `the trace ended before it was watched for long: ${cutShort}`;
    const lives = step.action === 'kill' && !pending.ended ? 'its process was not seen to end' : null;
    const why = doubt ?? lives;
    if (why !== null) return this.#options.tell(remediationOf(pending, 'unconfirmed', `${did}; ${why}`, endedAt));
    const after = step.action === 'kill' ? 'its process ended' : `no such event of it followed within ${watchMs} ms`;
    this.#options.tell(remediationOf(pending, 'done', `${did}; ${after}`, endedAt));
  }

  #fail(finding: Finding, detail: string): void {
    this.#options.guard({
      vm: this.#options.vm,
      at: isoTime(this.#options.clock.now()),
      what: 'refusal-failed',
      subject: finding.group,
      detail: detail.slice(0, 2000),
    });
  }
}

/** A held attempt that nobody allowed was blocked in the end. */
function actionOf({ verdict }: TracedEvent): InlineAction | null {
  if (verdict === 'kill') return 'kill';
  return verdict === 'block' || verdict === 'hold' ? 'block' : null;
}

function happened({ verdict }: TracedEvent): boolean {
  return verdict === null || verdict === 'allow';
}

function isSameProcess(a: TracedEvent, b: TracedEvent): boolean {
  return a.tgid === b.tgid && a.startedAfterBootUs === b.startedAfterBootUs;
}

function isSameDeed(a: TracedEvent, b: TracedEvent): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === 'exec') return a.exe === b.exe;
  if (a.kind === 'connect') return a.remoteAddr === b.remoteAddr && a.remotePort === b.remotePort;
  return a.proto === b.proto && a.localPort === b.localPort;
}

function deed({ kind, exe }: TracedEvent): string {
  return kind === 'exec' ? `exec of ${exe ?? 'an unreadable file'}` : kind;
}

function remediationOf(
  { step, finding, startedAt }: Pick<Pending, 'step' | 'finding' | 'startedAt'>,
  state: Remediation['state'],
  evidence: string,
  endedAt: string | null,
): Remediation {
  return {
    id: step.id,
    step,
    origin: 'inline',
    by: 'sentinel',
    alarm: null,
    group: finding.group,
    state,
    evidence: evidence.slice(0, 4000),
    startedAt,
    endedAt,
  };
}
