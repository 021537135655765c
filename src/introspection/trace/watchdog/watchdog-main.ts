// The watchdog: a process of its own beside a tracer, so small that nothing in it can hang. It opens each traced guest's gdb stub,
// hands the connection to the tracer and keeps a duplicate; when the tracer dies, is late or says nonsense for too long, it cuts
// the connection and lets the guest run. It ends when the tracer has ended and no guest is in its hands.
//
// Argument: after how many milliseconds of silence a tracer counts as hung.
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { processStart } from '../../hypervisor/process-scan.ts';
import { GuardedTrace, outcomeOf } from './guarded-trace.ts';
import { openStub } from './open-stub.ts';
import { readOrder } from './watchdog-words.ts';
import type { Order, Report } from './watchdog-words.ts';

const tracesMax = 256;
const lateMs = Number(process.argv[2]);
const tracer = { pid: process.ppid, start: processStart(process.ppid) };
const traces = new Map<number, GuardedTrace>();
/** Connections being opened, and guests being freed: this process stays until they are done with. */
let busy = 0;

standOutOfHarm();
process.on('message', (message) => {
  const order = readOrder(message);
  if (order !== null) obey(order);
});
process.once('disconnect', () => takeAll('the tracer has ended'));
process.on('uncaughtException', (error) => {
  takeAll(`the watchdog itself failed: ${error.message}`);
});
// The parent may have gone before anybody listened.
if (process.connected) report({ say: 'ready' });
else takeAll('the tracer has ended');

/** A host that runs out of memory or time takes others first; a service that is told to stop takes the tracer first. */
function standOutOfHarm(): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  attempt(() => setPriority(-15));
  // A session of its own is a scheduling group of its own where the kernel groups by session; the priority above counts within it.
  attempt(() => writeFileSync('/proc/self/autogroup', '-15'));
  attempt(() => writeFileSync('/proc/self/oom_score_adj', '-900'));
}

/** Not every host permits it, and the guests are guarded all the same. */
function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // Left as it was.
  }
}

function obey(order: Order): void {
  if (order.do === 'watch') {
    void watch(order);
    return;
  }
  const trace = traces.get(order.id);
  if (trace === undefined) return;
  trace.hear();
  switch (order.do) {
    case 'beat':
      report({ say: 'heard', id: order.id });
      break;
    case 'hold':
      trace.hold(order.forMs);
      break;
    case 'release':
      trace.release();
      break;
    case 'paused-by-other':
      trace.pausedByOther(order.paused);
      break;
    case 'cut':
      void take(order.id, 'its connection to QEMU was lost');
      break;
    case 'close':
      traces.delete(order.id);
      trace.close();
      report({ say: 'closed', id: order.id });
  }
}

async function watch({ id, socketPath, qemuPid }: Order & { do: 'watch' }): Promise<void> {
  if (traces.has(id) || traces.size + busy >= tracesMax) {
    report({ say: 'refused', id, message: `${tracesMax} traces are guarded already, or this one is.` });
    return;
  }
  const qemuStart = processStart(qemuPid);
  busy += 1;
  const opened = await openStub(socketPath, (served) => void stayUntil(served));
  busy -= 1;
  if (!opened.ok) {
    report({ say: 'refused', id, message: opened.error.message });
    endIfDone();
    return;
  }
  const trace = new GuardedTrace(socketPath, opened.value.connection, {
    lateMs,
    qemuLives: () => qemuStart !== null && processStart(qemuPid) === qemuStart,
    endTracer,
    onLate: (why) => void take(id, why),
  });
  traces.set(id, trace);
  if (!process.connected) {
    takeAll('the tracer has ended');
    return;
  }
  const { connection, ranBefore } = opened.value;
  process.send?.({ say: 'watching', id, ranBefore } satisfies Report, connection, { keepOpen: true }, (error) => {
    if (error !== null) void take(id, 'the tracer could not be given its connection');
  });
}

async function stayUntil(served: Promise<void>): Promise<void> {
  busy += 1;
  await served;
  busy -= 1;
  endIfDone();
}

async function take(id: number, why: string): Promise<void> {
  const trace = traces.get(id);
  if (trace === undefined) return;
  traces.delete(id);
  busy += 1;
  const outcome = outcomeOf(await trace.take());
  busy -= 1;
  report({ say: 'taken', id, why: `${why}.${outcome.said}`, left: outcome.left });
  endIfDone();
}

function takeAll(why: string): void {
  for (const id of traces.keys()) void take(id, why);
  endIfDone();
}

/** Only the very process that started us, and only while it still holds what we could not get. */
function endTracer(): void {
  if (tracer.start === null || processStart(tracer.pid) !== tracer.start) return;
  attempt(() => process.kill(tracer.pid, 'SIGKILL'));
}

function report(words: Report): void {
  if (process.connected) process.send?.(words, undefined, undefined, () => {});
}

function endIfDone(): void {
  if (process.connected || traces.size + busy > 0) return;
  // Not by process.exit, which now and then does not end (nodejs/node issue 64274), and nobody is left to see to it.
  process.kill(process.pid, 'SIGKILL');
}
