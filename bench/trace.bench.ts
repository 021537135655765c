// What tracing a guest costs it and us, and how fast a start is decided upon. Real guests of the lab; traced and untraced in turn, so that
// ratios are of one run. The tracer is a process of its own, guarded by its watchdog, as under a sentinel.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../lab/guest.ts';
import { bootPlainGuest } from '../lab/plain-guest.ts';
import { openGuestStub, type StubInUse } from '../lab/traced-guest.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import type { Verdict } from '../src/introspection/trace/trace-event.ts';
import type { BenchReport } from './measure.ts';
import { traceReport, type TraceSamples } from './trace-figures.ts';
import type { Sight, TracerFigures, TracerOrder } from './tracer-process.ts';

type Say = (line: string) => void;

const rounds = 7;
const sights: readonly Sight[] = ['judged', 'bare', 'all'];
const programsPerRun = 300;
const decisions = 300;
const holds = 30;
const idleWindows = 5;
const idleWindowMs = 4_000;
const settleMs = 1_000;
const patienceMs = 120_000;

export async function bench(say: Say): Promise<BenchReport> {
  const one = await benchGuest(1, say);
  const two = await benchGuest(2, say);
  const { judged, bare, all } = one.slowdowns;
  return traceReport({
    ...one,
    slowdown1cpu: judged,
    slowdownOfBareStops: bare,
    slowdownOfAllKinds: all,
    slowdown2cpu: two.slowdowns.judged,
  });
}

type GuestSamples = Omit<TraceSamples, `slowdown${string}`> & {
  readonly slowdowns: Readonly<Record<Sight, readonly number[]>>;
};

async function benchGuest(vcpus: 1 | 2, say: Say): Promise<GuestSamples> {
  say(`one guest, Linux 6.1, ${vcpus} processor(s)`);
  const guest = must(await bootPlainGuest({ kernel: '6.1', name: `bench-trace-${vcpus}`, hardware: { vcpus } }));
  const stub = await openGuestStub(guest);
  const tracer = fork(join(import.meta.dirname, 'tracer-process.ts'));
  try {
    const loops = await traceLoops(guest, stub, tracer, vcpus === 1 ? 1 : 8, vcpus === 1 ? sights : ['judged']);
    say(`traced ${rounds} times`);
    if (vcpus === 2) return { ...loops, ...nothing };
    const idleCpuPercent = await idle(stub, tracer);
    const decisionMs = await decide(guest, stub, tracer);
    const pausedMs = await hold(guest, stub, tracer);
    return { ...loops, idleCpuPercent, decisionMs, pausedMs };
  } finally {
    const ended = once(tracer, 'exit');
    tracer.disconnect();
    await ended;
    await stub.close();
    await guest.stop();
  }
}

const nothing = { idleCpuPercent: [], decisionMs: [], pausedMs: [] };

async function traceLoops(
  guest: Guest,
  stub: StubInUse,
  tracer: ChildProcess,
  loops: number,
  compared: readonly Sight[],
) {
  const each = Math.ceil(programsPerRun / loops);
  const command = `for i in ${Array.from({ length: loops }, (_, index) => index).join(' ')}; do workload execs ${each} >/dev/null & done; wait`;
  const time = async (): Promise<number> => {
    const from = performance.now();
    await guest.run(command, patienceMs);
    return performance.now() - from;
  };
  // What is translated and cached once is not part of any pair.
  await time();
  const slowdowns = { judged: new Array<number>(), bare: new Array<number>(), all: new Array<number>() };
  const handlerMsPerStop: number[] = [];
  const standsMsPerStop: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const sight of compared) {
      // Each beside its own: what else the machine does changes from minute to minute.
      const untraced = await time();
      const before = await tell(tracer, { do: 'open', target: stub.target, verdict: null, sight });
      const traced = await time();
      const after = await tell(tracer, { do: 'figures' });
      await tell(tracer, { do: 'close' });
      slowdowns[sight].push(traced / untraced);
      if (sight !== 'judged') continue;
      handlerMsPerStop.push((after.cpuMs - before.cpuMs) / after.stops);
      standsMsPerStop.push(after.stolenMs / after.stops);
    }
  }
  return { slowdowns, handlerMsPerStop, standsMsPerStop };
}

async function idle(stub: StubInUse, tracer: ChildProcess): Promise<readonly number[]> {
  const percents: number[] = [];
  await tell(tracer, { do: 'open', target: stub.target, verdict: null, sight: 'judged' });
  await wait(settleMs);
  while (percents.length < idleWindows) {
    const before = await tell(tracer, { do: 'figures' });
    const from = performance.now();
    await wait(idleWindowMs);
    const after = await tell(tracer, { do: 'figures' });
    percents.push(((after.cpuMs - before.cpuMs) * 100) / (performance.now() - from));
  }
  await tell(tracer, { do: 'close' });
  return percents;
}

/** QEMU stamps its word that the guest stands; the tracer stamps its decision by the same host's clock. */
async function decide(guest: Guest, stub: StubInUse, tracer: ChildProcess): Promise<readonly number[]> {
  return withDecisions(stub, tracer, 'allow', async () => {
    await guest.run(`workload execs ${decisions} >/dev/null`, patienceMs);
  });
}

async function hold(guest: Guest, stub: StubInUse, tracer: ChildProcess): Promise<readonly number[]> {
  const pausedMs: number[] = [];
  const stops: number[] = [];
  const unsubscribe = stub.monitor.subscribe(({ name, atMs }) => {
    if (name === 'STOP') stops.push(atMs);
  });
  await tell(tracer, { do: 'open', target: stub.target, verdict: 'hold', sight: 'judged' });
  for (let number = 0; number < holds; number += 1) {
    const { decidedMs: before } = await tell(tracer, { do: 'figures' });
    const fromMs = performance.timeOrigin + performance.now();
    await guest.run('true', patienceMs);
    const { decidedMs } = await tell(tracer, { do: 'figures' });
    const first = decidedMs[before.length];
    const stopMs = first === undefined ? undefined : stops.findLast((atMs) => atMs <= first);
    if (stopMs !== undefined && stopMs > fromMs) pausedMs.push(stopMs - fromMs);
  }
  await tell(tracer, { do: 'close' });
  unsubscribe();
  return pausedMs;
}

async function withDecisions(
  stub: StubInUse,
  tracer: ChildProcess,
  verdict: Verdict,
  work: () => Promise<void>,
): Promise<readonly number[]> {
  const stops: number[] = [];
  const unsubscribe = stub.monitor.subscribe(({ name, atMs }) => {
    if (name === 'STOP') stops.push(atMs);
  });
  await tell(tracer, { do: 'open', target: stub.target, verdict, sight: 'judged' });
  await work();
  const { decidedMs } = await tell(tracer, { do: 'close' });
  unsubscribe();
  return decidedMs.flatMap((decided) => {
    const stop = stops.findLast((atMs) => atMs <= decided);
    return stop === undefined ? [] : [decided - stop];
  });
}

async function tell(tracer: ChildProcess, order: TracerOrder): Promise<TracerFigures> {
  const answered = once(tracer, 'message') as Promise<[TracerFigures]>;
  tracer.send(order);
  const [figures] = await answered;
  if (figures.problem !== null) throw new Error(figures.problem);
  return figures;
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
