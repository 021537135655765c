// A tracer in a process of its own, as a sentinel runs one, for a bench that measures what it takes. Told by its parent to `open` and
// `close` a trace, and asked for its `figures`.
import { attemptHooks } from '../src/introspection/trace/hooks/attempts/attempt-hooks.ts';
import type { Verdict } from '../src/introspection/trace/trace-event.ts';
import type { TraceTarget } from '../src/introspection/trace/trace-target.ts';
import { openTrace } from '../src/introspection/trace/tracer.ts';
import type { Trace } from '../src/introspection/trace/tracer.ts';
import { WatchdogGuardian } from '../src/introspection/trace/watchdog/watchdog-guardian.ts';
import { sayProblem } from '../src/kit/problem.ts';

export type TracerOrder =
  | { readonly do: 'open'; readonly target: TraceTarget; readonly verdict: Verdict | null }
  | { readonly do: 'figures' }
  | { readonly do: 'close' };

export interface TracerFigures {
  /** Of the whole process, in milliseconds. */
  readonly cpuMs: number;
  readonly stops: number;
  readonly stolenMs: number;
  /** When programs about to start were decided upon: milliseconds since the epoch. */
  readonly decidedMs: readonly number[];
  /** Why the trace does not count, if anything was lost. */
  readonly problem: string | null;
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const guardian = new WatchdogGuardian();
let trace: Trace | null = null;
let problem: string | null = null;
let decidedMs: number[] = [];

process.on('message', (order: TracerOrder) => {
  void follow(order).then((figures) => process.send?.(figures));
});

async function follow(order: TracerOrder): Promise<TracerFigures> {
  if (order.do === 'open') await open(order.target, order.verdict);
  if (order.do === 'close') {
    const closed = await trace?.close();
    if (closed?.ok === false) problem = sayProblem(closed.error);
  }
  const { user, system } = process.cpuUsage();
  const summary = trace?.summary();
  if ((summary?.losses ?? 0) > 0) problem ??= 'something was lost';
  return {
    cpuMs: (user + system) / 1000,
    stops: summary?.stops ?? 0,
    stolenMs: summary?.stolenMs ?? 0,
    decidedMs,
    problem,
  };
}

async function open(target: TraceTarget, verdict: Verdict | null): Promise<void> {
  problem = null;
  decidedMs = [];
  const deciding =
    verdict === null
      ? {}
      : {
          decide: () => {
            decidedMs.push(performance.timeOrigin + performance.now());
            return verdict;
          },
          attempts: (context: Parameters<typeof attemptHooks>[0]) =>
            attemptHooks(context, { kinds: new Set(['exec'] as const), onDoubt: doubt, onSlip: doubt }).hooks,
          holdMs: 2_000,
          afterHold: 'allow' as const,
          onHeld: () => setImmediate(() => trace?.release('allow')),
        };
  const opened = await openTrace(target, { clock, guardian, onLine: () => {}, ...deciding });
  if (opened.ok) trace = opened.value;
  else problem = sayProblem(opened.error);
}

function doubt(): void {
  problem = 'an attempt could not be decided';
}
