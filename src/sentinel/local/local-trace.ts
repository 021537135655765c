// The host-local verb `trace`: follows the running sentinel's trace of a VM, or traces the VM itself when none runs.
import { sayProblem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { silentLog } from '../../kit/log.ts';
import type { TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';
import type { LocalOptions } from './local-views.ts';
import { findEntry, sourceOf } from './local-views.ts';
import { stateDirPaths } from '../state-dir.ts';
import { followDoor } from '../tracing/follow-door.ts';
import { startTracerProcess } from '../tracing/tracer-process.ts';
import { noCost, TraceTally } from '../tracing/trace-tally.ts';
import { VmTrace } from '../tracing/vm-trace.ts';

export type { TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';

export interface LocalTraceOptions extends LocalOptions {
  /** Ends it in order. */
  readonly stop: AbortSignal;
  /** Ends it in order so long after it has begun; null = only `stop` does. */
  readonly forMs: number | null;
  readonly onLine: (line: TraceLine) => void;
}

export interface Traced {
  readonly summary: TraceSummary;
  /** Why it ended before it was asked to; null = it did not. */
  readonly brokeOff: string | null;
}

export async function traceVm(vm: string, options: LocalTraceOptions): Promise<Result<Traced>> {
  const tally = new TraceTally();
  let isRefused = true;
  const { socket } = stateDirPaths(options.stateDir);
  const ending = endingOf(options);
  const followed = await followDoor(socket, vm, ending.stop, (line) => {
    if (line.kind === 'ended') return;
    if (line.kind === 'progress') {
      tally.cost(line);
      if (line.state === 'tracing') ending.hasBegun();
      isRefused = false;
      return;
    }
    tally.hear(line);
    options.onLine(line);
  });
  if (followed === null) return await traceAlone(vm, options, tally, ending);
  if (followed.ok) return ok({ summary: tally.summary(), brokeOff: null });
  return isRefused ? followed : ok({ summary: tally.summary(), brokeOff: sayProblem(followed.error) });
}

interface Ending {
  readonly stop: AbortSignal;
  hasBegun(): void;
}

/** Attaching takes a second or two, which is no part of the time that was asked for. */
function endingOf({ stop, forMs }: LocalTraceOptions): Ending {
  const over = new AbortController();
  let timer: NodeJS.Timeout | null = null;
  return {
    stop: AbortSignal.any([stop, over.signal]),
    hasBegun: () => {
      if (forMs !== null) timer ??= setTimeout(() => over.abort(), forMs);
    },
  };
}

async function traceAlone(
  vm: string,
  options: LocalTraceOptions,
  tally: TraceTally,
  ending: Ending,
): Promise<Result<Traced>> {
  const { clock } = options;
  const { stop } = ending;
  const source = sourceOf(options);
  const entry = findEntry(source, vm);
  if (!entry.ok) return entry;
  const { handle, id } = entry.value;
  const monitor = await source.connect(handle);
  if (!monitor.ok) return monitor;
  tally.cost(noCost);
  const { promise: over, resolve: end } = Promise.withResolvers<string | null>();
  let hasBegun = false;
  const trace = new VmTrace(
    {
      vm: id,
      clock,
      log: silentLog,
      startTracer: startTracerProcess,
      prepare: () => source.traceGround(handle, monitor.value),
      holdMs: 0,
      listener: {
        sight: (isComplete) => {
          if (isComplete) {
            hasBegun = true;
            ending.hasBegun();
          } else end(trace.state.why ?? 'the trace ended');
        },
        report: (lines) => {
          for (const { line } of lines) {
            tally.hear(line);
            options.onLine(line);
          }
        },
        held: () => undefined,
        progress: (summary) => tally.cost(summary),
      },
    },
    null,
  );
  const leave = (): void => end(null);
  if (stop.aborted) leave();
  else stop.addEventListener('abort', leave, { once: true });
  trace.start();
  const why = await over;
  await trace.close();
  monitor.value.close();
  if (trace.summary !== null) tally.cost(trace.summary);
  if (why !== null && !hasBegun) return fail(problem('failed', `${handle.name} cannot be traced: ${why}`));
  return ok({ summary: tally.summary(), brokeOff: why });
}
