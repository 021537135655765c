// A tracer in a process of its own, as a sentinel runs one, for a bench that measures what it takes. Told by its parent to `open` and
// `close` a trace, and asked for its `figures`.
import { attemptHooks } from '../src/introspection/trace/hooks/attempts/attempt-hooks.ts';
import type { Verdict } from '../src/introspection/trace/trace-event.ts';
import type { TraceTarget } from '../src/introspection/trace/trace-target.ts';
import { openTrace } from '../src/introspection/trace/tracer.ts';
import type { Trace } from '../src/introspection/trace/tracer.ts';
import { judgedKinds } from '../src/sentinel/tracing/open-tracer.ts';
import { WatchdogGuardian } from '../src/introspection/trace/watchdog/watchdog-guardian.ts';
import { sayProblem } from '../src/kit/problem.ts';
import { openBareStops } from './bare-stops.ts';
import type { BareStops } from './bare-stops.ts';

/** judged = what a sentinel asks for; all = every kind there is; bare = stops where `judged` does, and does nothing there. */
export type Sight = 'judged' | 'all' | 'bare';

export type TracerOrder =
  /** `verdict` null: nothing is decided. */
  | { readonly do: 'open'; readonly target: TraceTarget; readonly verdict: Verdict | null; readonly sight: Sight }
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
/** What it costs is what is measured: no rest. */
const budget = { stopsPerSecondMax: 100_000, stolenMsPerSecondMax: 100_000 };
/** A busy machine may starve the tracer for a while; how soon a guest is freed then is not measured here. */
const guardian = new WatchdogGuardian({ lateMs: 5_000 });
let trace: Trace | null = null;
let bare: BareStops | null = null;
let problem: string | null = null;
let lastLoss = '';
let decidedMs: number[] = [];

process.on('message', (order: TracerOrder) => {
  void follow(order).then((figures) => process.send?.(figures));
});

// A bench that fails leaves its trace open: the guardian lets the guest go.
process.on('disconnect', () => process.exit());

async function follow(order: TracerOrder): Promise<TracerFigures> {
  if (order.do === 'open') await open(order);
  const stopsOfBare = bare?.stops;
  if (order.do === 'close') {
    const closed = await (bare ?? trace)?.close();
    bare = null;
    if (closed?.ok === false) problem = sayProblem(closed.error);
  }
  const { user, system } = process.cpuUsage();
  const summary = trace?.summary();
  if ((summary?.losses ?? 0) > 0) problem ??= `something was lost: ${lastLoss}`;
  return {
    cpuMs: (user + system) / 1000,
    stops: stopsOfBare ?? summary?.stops ?? 0,
    stolenMs: summary?.stolenMs ?? 0,
    decidedMs,
    problem,
  };
}

async function open({ target, verdict, sight }: TracerOrder & { readonly do: 'open' }): Promise<void> {
  problem = null;
  decidedMs = [];
  if (sight === 'bare') {
    const stops = await openBareStops(target, new Set(judgedKinds));
    if (stops.ok) bare = stops.value;
    else problem = sayProblem(stops.error);
    return;
  }
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
  const opened = await openTrace(target, {
    clock,
    guardian,
    onLine: (line) => {
      if (line.kind === 'loss') lastLoss = line.reason;
    },
    budget,
    ...(sight === 'all' ? {} : { kinds: judgedKinds }),
    ...deciding,
  });
  if (opened.ok) trace = opened.value;
  else problem = sayProblem(opened.error);
}

function doubt(): void {
  problem = 'an attempt could not be decided';
}
