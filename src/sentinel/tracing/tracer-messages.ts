// What a sentinel and one of its tracer processes say to each other. Both are of one version and one user, on one pipe; what a
// guest wrote travels inside as capped text.
import type { Problem } from '../../kit/problem.ts';
import type { Finding } from '../../model/finding.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { HeldAnswer } from '../../model/remediation.ts';
import type { TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';

export type ToTracer =
  | {
      readonly say: 'begin';
      readonly target: unknown;
      /** Its orders are answered inline; null = nothing is, and the guest's memory is opened for reading only. */
      readonly manifest: Manifest | null;
      readonly holdMs: number;
    }
  /** Another manifest; whether anything is answered inline stays as it began. */
  | { readonly say: 'judge'; readonly manifest: Manifest }
  /** Somebody looks on, or nobody any more: all that happens is told, or what is judged. Where nothing is judged, all is told anyway. */
  | { readonly say: 'tell'; readonly all: boolean }
  | { readonly say: 'release'; readonly answer: HeldAnswer }
  | { readonly say: 'close' };

/** A line, and what it was answered. */
export interface ReportedLine {
  readonly line: TraceLine;
  /** Refused at the attempt: it did not happen. */
  readonly refused?: Finding;
  /** Was to be refused and could not be: it happened. */
  readonly notRefused?: Finding;
}

export type FromTracer =
  /** The kinds of events that this guest's kernel lets be seen, and those it does not, with why. */
  | { readonly say: 'began'; readonly covers: readonly string[]; readonly uncovered: readonly string[] }
  | { readonly say: 'failed'; readonly problem: Problem }
  | { readonly say: 'report'; readonly lines: readonly ReportedLine[] }
  | { readonly say: 'held'; readonly what: string; readonly finding: Finding; readonly untilMs: number }
  | { readonly say: 'released' }
  /** The tracer lives; said every second, with what came of it so far. */
  | { readonly say: 'beat'; readonly summary: TraceSummary | null }
  | { readonly say: 'ended'; readonly summary: TraceSummary; readonly why: string | null };

/** One tracer process, or what stands in for it. */
export interface TracerLink {
  send(message: ToTracer): void;
  /** Ends it at once; the guardian lets the guest run. */
  kill(): void;
}

export interface TracerListener {
  hear(message: FromTracer): void;
  /** The process is gone, whatever it said before. */
  gone(why: string): void;
}

export type StartTracer = (listener: TracerListener) => TracerLink;
