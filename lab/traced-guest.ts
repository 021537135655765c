// A lab guest under a trace, with everything it told: what tests and benches of tracing stand on.
import { dirname, join } from 'node:path';
import { findGuests } from '../src/introspection/introspection.ts';
import { closeStub, openStub } from '../src/introspection/trace/gdb-stub.ts';
import { watchForLeaving } from '../src/introspection/trace/leave-notice.ts';
import { prepareTarget } from '../src/introspection/trace/trace-target.ts';
import type { TraceTarget } from '../src/introspection/trace/trace-target.ts';
import type { TracedEvent, TraceLine, TraceLoss } from '../src/introspection/trace/trace-event.ts';
import { openTrace } from '../src/introspection/trace/tracer.ts';
import type { Trace, TraceOptions } from '../src/introspection/trace/tracer.ts';
import { WatchdogGuardian } from '../src/introspection/trace/watchdog/watchdog-guardian.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import type { Monitor } from '../src/protocols/qmp/monitor.ts';
import { openQmp } from '../src/protocols/qmp/qmp-client.ts';
import type { Guest } from './guest.ts';

/** What is tried here is not how soon a guest is freed, and a machine that runs tests may starve a tracer for a while. */
const patienceMs = 5_000;
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export interface StubInUse {
  readonly target: TraceTarget;
  readonly monitor: Monitor;
  close(): Promise<void>;
}

/** Opens the gdb stub of a guest by the product's monitor. Throws when it cannot. */
export async function openGuestStub(guest: Guest): Promise<StubInUse> {
  const directory = dirname(guest.qmpSocket);
  const monitor = must(await openQmp(guest.qmpSocket));
  const socketPath = join(directory, 'gdb.sock');
  must(await openStub(monitor, socketPath));
  const handle = must(findGuests()).find(({ pid }) => pid === guest.pid());
  if (handle === undefined) throw new Error(`${guest.name} was not found`);
  const target = must(
    await prepareTarget(handle, monitor, { profileDirectory: join(directory, 'kernels'), socketPath }),
  );
  return {
    target,
    monitor,
    async close() {
      must(await closeStub(monitor, socketPath));
      monitor.close();
    },
  };
}

export interface TracedGuest {
  readonly trace: Trace;
  /** All lines so far, in order. */
  readonly lines: readonly TraceLine[];
  /** Of one kind, from programs whose arguments begin so. */
  readonly events: (kind: TracedEvent['kind'], ...argv: readonly string[]) => readonly TracedEvent[];
  readonly losses: () => readonly TraceLoss[];
  /** Closes the trace, its stub and the monitor. */
  close(): Promise<void>;
}

/** Traces a guest until it is closed or has to be left, guarded by a watchdog unless the options say otherwise. Throws when it cannot. */
export async function traceGuest(guest: Guest, options: Partial<TraceOptions> = {}): Promise<TracedGuest> {
  const stub = await openGuestStub(guest);
  const leaving = must(await watchForLeaving(stub.monitor));
  const lines: TraceLine[] = [];
  const opened = await openTrace(stub.target, {
    clock,
    guardian: new WatchdogGuardian({ lateMs: patienceMs }),
    onLine: (line) => lines.push(line),
    ...options,
  });
  if (!opened.ok) {
    await stub.close();
    throw new Error(sayProblem(opened.error));
  }
  const trace = opened.value;
  void leaving.notice.then(() => trace.close());
  return {
    trace,
    lines,
    events: (kind, ...argv) =>
      lines.filter((line): line is TracedEvent => line.kind === kind && startsWith(line.argv, argv)),
    losses: () => lines.filter((line) => line.kind === 'loss'),
    async close() {
      leaving.close();
      const closed = await trace.close();
      await stub.close();
      must(closed);
    },
  };
}

function startsWith(argv: readonly string[] | null, words: readonly string[]): boolean {
  return words.every((word, index) => argv?.[index] === word);
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
