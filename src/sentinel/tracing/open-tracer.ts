// Opens a trace of introspection for a tracer process, guarded by a watchdog: whatever becomes of the tracer, the guest runs on.
import type { Clock } from '../../kit/clock.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { HookContext } from '../../introspection/trace/hooks/hook-context.ts';
import { attemptHooks } from '../../introspection/trace/hooks/attempts/attempt-hooks.ts';
import type { Hook } from '../../introspection/trace/hook.ts';
import type { TracedKind, TraceLine } from '../../introspection/trace/trace-event.ts';
import { tracedKinds } from '../../introspection/trace/trace-journal.ts';
import { openTrace } from '../../introspection/trace/tracer.ts';
import type { TraceTarget } from '../../introspection/trace/trace-target.ts';
import { WatchdogGuardian } from '../../introspection/trace/watchdog/watchdog-guardian.ts';
import type { OpenTrace } from './tracer-host.ts';

/** What becomes an observation, and nothing else: a program that forks, starts and ends then takes one stop and not three. */
export const judgedKinds: readonly TracedKind[] = ['exec', 'connect', 'accept', 'listen', 'bind'];
const attemptKinds = new Set(['exec', 'connect', 'listen', 'bind'] as const);

export function openTracer(clock: Clock): OpenTrace {
  const guardian = new WatchdogGuardian();
  return async (target, { decide, onlyJudged, onLine, onHeld, holdMs }) => {
    const doubts = new Doubts(clock, onLine);
    let isHeld = false;
    const runsOn = (): void => {
      if (isHeld) onHeld(null);
      isHeld = false;
    };
    const opened = await openTrace(target as TraceTarget, {
      clock,
      guardian,
      onLine: (line) => {
        // The guest runs again, whoever let it: a held one tells of nothing.
        runsOn();
        doubts.pass(line);
      },
      holdMs,
      ...(onlyJudged ? { kinds: judgedKinds } : {}),
      ...(decide === undefined ? {} : { decide, attempts: (context) => hooksOf(context, doubts) }),
      onHeld: (attempt) => {
        isHeld = true;
        onHeld(attempt);
      },
    });
    if (!opened.ok) return opened;
    const { value: trace } = opened;
    const { covered, notCovered } = trace.coverage;
    const uncovered = notCovered.map(({ kind, why }) => `${kind}: ${why}`);
    if (decide !== undefined && doubts.missing.length > 0) {
      await trace.close();
      const message = `This guest's kernel does not let ${doubts.missing.join(', ')} be refused.`;
      return fail(problem('failed', message, 'Use rules that suspend instead.'));
    }
    return ok({
      covers: covered,
      uncovered,
      ended: trace.ended,
      summary: () => trace.summary(),
      release: (answer) => {
        if (trace.release(answer)) runsOn();
      },
      tellAll: (all) => void trace.alsoTell(all ? tracedKinds : []),
      close: async () => {
        const closed = await trace.close();
        return closed.ok ? null : sayProblem(closed.error);
      },
    });
  };
}

function hooksOf(context: HookContext, doubts: Doubts): readonly Hook[] {
  const { hooks, missing } = attemptHooks(context, {
    kinds: attemptKinds,
    onDoubt: (what) => doubts.raise(what),
    onSlip: (killed) => doubts.raise(`a refused program began to run${killed ? ', and was ended' : ''}`),
  });
  doubts.missing.push(...missing);
  return hooks;
}

/** What an attempt's hook could not make out, as losses among the lines: nobody was asked about it. */
class Doubts {
  readonly missing: string[] = [];
  readonly #clock: Clock;
  readonly #onLine: (line: TraceLine) => void;
  #lastSeq = 0;

  constructor(clock: Clock, onLine: (line: TraceLine) => void) {
    this.#clock = clock;
    this.#onLine = onLine;
  }

  pass(line: TraceLine): void {
    this.#lastSeq = line.seq;
    this.#onLine(line);
  }

  raise(what: string): void {
    const ts = new Date(this.#clock.now()).toISOString();
    const reason = `an attempt was not decided upon: ${what}`.slice(0, 500);
    this.#onLine({ kind: 'loss', ts, seq: this.#lastSeq, from: ts, until: ts, missed: null, reason });
  }
}
