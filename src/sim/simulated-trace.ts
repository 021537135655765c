// A tracer without a guest: a test says what programs attempt, and the trace asks, refuses, holds and reports as the real one
// does. What was refused never happens.
import { problem, type Problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type {
  Attempt,
  Decide,
  TracedEvent,
  TraceLine,
  TraceSummary,
  Verdict,
} from '../introspection/trace/trace-event.ts';

interface Options {
  readonly decide?: Decide;
  readonly onlyJudged: boolean;
  readonly holdMs: number;
  readonly onLine: (line: TraceLine) => void;
  readonly onHeld: (attempt: Attempt | null) => void;
}

const blank: Omit<TracedEvent, 'ts' | 'seq' | 'kind'> = {
  pid: 100,
  tgid: 100,
  ppid: 1,
  uid: 0,
  euid: 0,
  comm: 'sim',
  exe: '/bin/sim',
  argv: ['sim'],
  parentExe: '/sbin/init',
  parentArgv: ['/sbin/init'],
  ancestors: ['/sbin/init'],
  image: 'sim',
  startedAfterBootUs: 1,
  cgroup: null,
  proto: null,
  localAddr: null,
  localPort: null,
  remoteAddr: null,
  remotePort: null,
  childPid: null,
  module: null,
  verdict: null,
};

export class SimulatedTrace {
  /** What opening answers instead of a trace; null = it works. */
  trouble: Problem | null = null;
  /** Refusing does not work: what is to be refused happens. */
  isPowerless = false;
  /** Whether what is not judged is told as well. */
  tellsAll = false;
  /** Everything opened so far. */
  opened = 0;
  #options: Options | null = null;
  #end: ((why: Problem | null) => void) | null = null;
  #seq = 0;
  #released: ((verdict: Verdict) => void) | null = null;
  readonly #counts = { exec: 0, fork: 0, exit: 0, setuid: 0, connect: 0, accept: 0, listen: 0, bind: 0, module: 0 };

  get isOpen(): boolean {
    return this.#options !== null;
  }

  get decides(): boolean {
    return this.#options?.decide !== undefined;
  }

  open(_target: unknown, options: Options) {
    this.opened += 1;
    if (this.trouble !== null) return Promise.resolve(fail(this.trouble));
    const { promise: ended, resolve } = Promise.withResolvers<Problem | null>();
    this.#options = options;
    this.tellsAll = !options.onlyJudged;
    this.#end = resolve;
    const close = (): Promise<string | null> => {
      this.#options = null;
      resolve(null);
      return Promise.resolve(null);
    };
    const trace = {
      covers: Object.keys(this.#counts),
      uncovered: [],
      ended,
      close,
      summary: () => this.#summary(),
      release: (answer: Verdict) => this.#released?.(answer),
      tellAll: (all: boolean) => void (this.tellsAll = all),
    };
    const result: Result<typeof trace> = ok(trace);
    return Promise.resolve(result);
  }

  /** The tracer breaks off. */
  breakOff(why: string): void {
    this.#options = null;
    this.#end?.(problem('failed', why));
  }

  /** Answers whether it happened. */
  async attempt(facts: Partial<Attempt> & { readonly kind: Attempt['kind'] }): Promise<boolean> {
    const attempt: Attempt = { ...this.#facts(facts), kind: facts.kind };
    const asked = this.#options?.decide?.(attempt) ?? null;
    const verdict = asked === 'hold' ? await this.#hold(attempt) : asked;
    const isRefused = (verdict === 'block' || verdict === 'kill') && !this.isPowerless;
    this.happen({ ...facts, verdict: isRefused || asked === 'hold' ? verdict : null });
    if (verdict === 'kill' && isRefused) this.happen({ ...facts, kind: 'exit' });
    return !isRefused;
  }

  /** Something that has happened, or was refused. */
  happen(facts: Partial<TracedEvent> & { readonly kind: TracedEvent['kind'] }): void {
    this.#counts[facts.kind] += 1;
    this.#seq += 1;
    this.#options?.onLine({ ...this.#facts(facts), verdict: null, ...facts, seq: this.#seq });
  }

  lose(missed: number, reason: string): void {
    const ts = new Date().toISOString();
    this.#seq += 1;
    this.#options?.onLine({ kind: 'loss', ts, seq: this.#seq, from: ts, until: ts, missed, reason });
  }

  #facts(facts: Partial<TracedEvent> & { readonly kind: TracedEvent['kind'] }) {
    return { ...blank, ts: new Date().toISOString(), ...facts };
  }

  async #hold(attempt: Attempt): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    this.#released = resolve;
    const late = setTimeout(() => resolve('block'), this.#options?.holdMs ?? 0);
    this.#options?.onHeld(attempt);
    const verdict = await promise;
    clearTimeout(late);
    this.#released = null;
    this.#options?.onHeld(null);
    return verdict;
  }

  #summary(): TraceSummary {
    const counts = { ...this.#counts };
    return { kind: 'summary', counts, lost: 0, losses: 0, stops: this.#seq, stolenMs: 0, refused: 0, notRefused: 0 };
  }
}
