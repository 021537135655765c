// The lines of a trace, numbered and timed, and what they sum up to.
import type { Clock } from '../../kit/clock.ts';
import type { Sighting } from './hook.ts';
import type { TracedEvent, TracedKind, TraceLine, TraceSummary, Verdict } from './trace-event.ts';

export const tracedKinds: readonly TracedKind[] = [
  'exec',
  'fork',
  'exit',
  'setuid',
  'connect',
  'accept',
  'listen',
  'bind',
  'module',
];

/** The host's clock was set when it differs by more than its grain, and the moment between reading both. */
const clockSetMs = 20;

export class TraceJournal {
  readonly #clock: Clock;
  readonly #onLine: (line: TraceLine) => void;
  readonly #counts = Object.fromEntries(tracedKinds.map((kind) => [kind, 0])) as Record<TracedKind, number>;
  #anchor: { readonly epochMs: number; readonly atMs: number };
  /** Text of the second spoken of last, with its point: most events share it with the one before. */
  #second = { epoch: Number.NaN, text: '' };
  #seq = 0;
  #lost = 0;
  #losses = 0;
  #stops = 0;
  #stolenMs = 0;
  #refused = 0;
  #notRefused = 0;

  constructor(clock: Clock, onLine: (line: TraceLine) => void) {
    this.#clock = clock;
    this.#onLine = onLine;
    this.#anchor = { epochMs: clock.now(), atMs: clock.monotonic() };
  }

  /**
   * Follows the host's clock when that is set; otherwise the monotonic one counts, which is finer: taking the other's milliseconds
   * again and again would let times go back.
   */
  anchor(): void {
    const now = { epochMs: this.#clock.now(), atMs: this.#clock.monotonic() };
    const expectedMs = this.#anchor.epochMs + (now.atMs - this.#anchor.atMs);
    if (Math.abs(now.epochMs - expectedMs) > clockSetMs) this.#anchor = now;
  }

  /** ISO 8601 with microseconds, of a moment of the monotonic clock. */
  timeOf(atMs: number): string {
    const epochUs = Math.round((this.#anchor.epochMs + (atMs - this.#anchor.atMs)) * 1000);
    const second = Math.floor(epochUs / 1e6);
    if (second !== this.#second.epoch) {
      this.#second = { epoch: second, text: new Date(second * 1000).toISOString().slice(0, -'000Z'.length) };
    }
    return `${this.#second.text}${String(epochUs - second * 1e6).padStart(6, '0')}Z`;
  }

  tell(event: Sighting['event'], atMs: number, verdict: Verdict | null): void {
    this.#counts[event.kind] += 1;
    const line: TracedEvent = { ...event, ts: this.timeOf(atMs), seq: this.#next(), verdict };
    this.#onLine(line);
  }

  /** `missed` = events known to be missing, null when that is not known. */
  lose(fromMs: number, untilMs: number, missed: number | null, reason: string): void {
    this.#losses += 1;
    this.#lost += missed ?? 0;
    const until = this.timeOf(untilMs);
    this.#onLine({ kind: 'loss', ts: until, seq: this.#next(), from: this.timeOf(fromMs), until, missed, reason });
  }

  stood(stolenMs: number): void {
    this.#stops += 1;
    this.#stolenMs += stolenMs;
  }

  refuse(carriedOut: boolean): void {
    if (carriedOut) this.#refused += 1;
    else this.#notRefused += 1;
  }

  summary(): TraceSummary {
    return {
      kind: 'summary',
      counts: { ...this.#counts },
      lost: this.#lost,
      losses: this.#losses,
      stops: this.#stops,
      stolenMs: Math.round(this.#stolenMs * 1000) / 1000,
      refused: this.#refused,
      notRefused: this.#notRefused,
    };
  }

  #next(): number {
    this.#seq += 1;
    return this.#seq;
  }
}
