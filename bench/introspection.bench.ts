// What looking into guests costs: attaching, sweeping, and a whole sentinel that watches three guests in which nothing happens.
// Real guests of the lab with anonymous memory, one processor each; runs after one another, medians.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../lab/guest.ts';
import { bootPlainGuest } from '../lab/plain-guest.ts';
import type { GuestSession } from '../src/introspection/guest-session.ts';
import type { SweepOptions } from '../src/introspection/guest/guest-view.ts';
import type { GuestHandle } from '../src/introspection/hypervisor/guest-handle.ts';
import { parseRegisters } from '../src/introspection/hypervisor/cpu-registers.ts';
import { attach, findGuests, openSession } from '../src/introspection/introspection.ts';
import { attachMemory } from '../src/introspection/memory/attach-memory.ts';
import type { Clock } from '../src/kit/clock.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { introspectionReport, type Samples } from './introspection-figures.ts';
import type { BenchReport } from './measure.ts';
import { ReadList } from './read-list.ts';

type Say = (line: string) => void;
type SweepSamples = Pick<Samples, 'sweepMs75' | 'sweepMs255' | 'sweepMs1055' | 'sweepLightMs1055' | 'plainReadMs1055'>;

const attachRuns = 9;
const attachPatienceMs = 90_000;
const sweepRuns = 40;
/** Each sweep checks some descriptions again; after so many, all were. */
const warmUpSweeps = 40;
const guestsWatched = 3;
const settleMs = 8_000;
const idleWindows = 5;
const idleWindowMs = 4_000;
const nodeSettings = createRequire(import.meta.url)('../bin/node-settings.js') as {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};
const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

export async function bench(say: Say): Promise<BenchReport> {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'));
  try {
    const looked = await benchOneGuest(join(directory, 'profiles'), say);
    const watched = await benchSentinel(directory, say);
    return introspectionReport({ ...looked, ...watched });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function benchOneGuest(profileDirectory: string, say: Say) {
  say('one guest, Linux 6.1, 512 MiB');
  const guest = must(await bootPlainGuest({ kernel: '6.1', name: 'bench-sweep', hardware: { memoryMib: 512 } }));
  try {
    const handle = handleOf(guest);
    const attachColdMs = await attachTimes(handle, null);
    (await attachPatiently(handle, profileDirectory)).session.close();
    const attachCachedMs = await attachTimes(handle, profileDirectory);
    say(`attached ${2 * attachRuns} times`);
    return { attachColdMs, attachCachedMs, ...(await sweepTimes(guest, handle, profileDirectory, say)) };
  } finally {
    await guest.stop();
  }
}

async function attachTimes(handle: GuestHandle, profileDirectory: string | null): Promise<number[]> {
  const times: number[] = [];
  while (times.length < attachRuns) {
    const { session, tookMs } = await attachPatiently(handle, profileDirectory);
    if (session.profileFrom !== (profileDirectory === null ? 'memory' : 'cache'))
      throw new Error('the kernel was learned where it was to be known, or the other way round');
    times.push(tookMs);
    session.close();
  }
  return times;
}

/** QEMU serves one client, and another sentinel of this host may be it; an attempt that was refused does not count. */
async function attachPatiently(
  handle: GuestHandle,
  profileDirectory: string | null,
): Promise<{ readonly session: GuestSession; readonly tookMs: number }> {
  const deadline = performance.now() + attachPatienceMs;
  for (;;) {
    await wait(200);
    const from = performance.now();
    const session = await attach(handle, { clock, profileDirectory });
    const tookMs = performance.now() - from;
    if (session.ok) return { session: session.value, tookMs };
    if (performance.now() > deadline) throw new Error(sayProblem(session.error));
  }
}

async function sweepTimes(
  guest: Guest,
  handle: GuestHandle,
  profileDirectory: string,
  say: Say,
): Promise<SweepSamples> {
  const take = async (count: number, options: SweepOptions): Promise<readonly number[]> => {
    // A session of its own for each: what one kind of sweep read ahead would burden the other.
    const { session } = await attachPatiently(handle, profileDirectory);
    await growTo(guest, session, count);
    const times = await steadyTimes(session, options);
    session.close();
    return times;
  };
  const sweepMs75 = await take(75, {});
  const sweepMs255 = await take(255, {});
  const sweepMs1055 = await take(1055, {});
  const plainReadMs1055 = await plainTimes(guest, profileDirectory);
  const sweepLightMs1055 = await take(1055, { light: true });
  say('swept 75, 255 and 1055 processes');
  return { sweepMs75, sweepMs255, sweepMs1055, sweepLightMs1055, plainReadMs1055 };
}

/** Starts sleeping processes until there are `count`. */
async function growTo(guest: Guest, session: GuestSession, count: number): Promise<void> {
  const missing = count - must(session.sweep({ light: true })).tasks.length;
  if (missing <= 0) return;
  await guest.run(`workload children ${missing} </dev/null >/dev/null 2>&1`, 120_000);
  await wait(1000);
  const now = must(session.sweep({ light: true })).tasks.length;
  if (Math.abs(now - count) > 3) throw new Error(`${now} processes where ${count} were to be`);
}

async function steadyTimes(session: GuestSession, options: SweepOptions): Promise<number[]> {
  for (let sweep = 0; sweep < warmUpSweeps; sweep += 1) must(session.sweep(options));
  const times: number[] = [];
  for (let run = 0; run < sweepRuns; run += 1) {
    await wait(20);
    const from = performance.now();
    must(session.sweep(options));
    times.push(performance.now() - from);
  }
  return times;
}

/** The reads of one steady sweep, done again with nothing around them. */
async function plainTimes(guest: Guest, profileDirectory: string): Promise<number[]> {
  const reads = await readsOfSteadySweep(guest, profileDirectory);
  const said = must(await guest.qmp().hmp('gpa2hva 0x0'));
  const base = Number.parseInt(/ is 0x([0-9a-f]+)/.exec(said)?.[1] ?? '', 16);
  const bytes = Buffer.alloc(Math.max(...reads.map(({ length }) => length)));
  const file = openSync(`/proc/${guest.pid()}/mem`, 'r');
  const times: number[] = [];
  for (let run = 0; run < sweepRuns; run += 1) {
    await wait(20);
    const from = performance.now();
    for (const { address, length } of reads) readSync(file, bytes, 0, length, base + address);
    times.push(performance.now() - from);
  }
  closeSync(file);
  return times;
}

async function readsOfSteadySweep(guest: Guest, profileDirectory: string): Promise<ReadList['reads']> {
  const list = new ReadList(must(await attachMemory(guest.qmp(), guest.pid() ?? 0)).memory);
  const cpus = parseRegisters(must(await guest.qmp().hmp('info registers -a')));
  const session = must(openSession(list, cpus, null, { clock, profileDirectory }));
  for (let sweep = 0; sweep < 3; sweep += 1) {
    list.clear();
    must(session.sweep());
  }
  session.close();
  return list.reads;
}

async function benchSentinel(directory: string, say: Say): Promise<Pick<Samples, 'rssMiB' | 'cpuPercentPerIdleVm'>> {
  const guests: Guest[] = [];
  try {
    for (let number = 1; number <= guestsWatched; number += 1) {
      guests.push(must(await bootPlainGuest({ kernel: '6.1', name: `bench-idle-${number}` })));
    }
    say(`a sentinel with ${guests.length} idle guests`);
    return await watchIdle(join(directory, 'sentinel'), guests);
  } finally {
    for (const guest of guests) await guest.stop();
  }
}

async function watchIdle(
  stateDir: string,
  guests: readonly Guest[],
): Promise<Pick<Samples, 'rssMiB' | 'cpuPercentPerIdleVm'>> {
  // As bin/plumbline starts it: what an earlier start compiled is used again.
  const env = { ...nodeSettings.env, ...process.env, NODE_COMPILE_CACHE: join(stateDir, 'compile') };
  const uuids = guests.map(({ uuid }) => uuid);
  const earlier = await startSentinel([join(stateDir, 'first'), ...uuids], env);
  // Its threads start some seconds later, and compile too.
  await wait(settleMs);
  await endSentinel(earlier);
  const child = await startSentinel([join(stateDir, 'second'), ...uuids], env);
  try {
    const pid = child.pid ?? 0;
    await wait(settleMs);
    const rssMiB: number[] = [];
    const cpuPercentPerIdleVm: number[] = [];
    while (rssMiB.length < idleWindows) {
      const before = cpuMsOf(pid);
      const from = performance.now();
      await wait(idleWindowMs);
      const share = (cpuMsOf(pid) - before) / (performance.now() - from);
      cpuPercentPerIdleVm.push((share * 100) / guests.length);
      rssMiB.push(rssMiBOf(pid));
    }
    return { rssMiB, cpuPercentPerIdleVm };
  } finally {
    await endSentinel(child);
  }
}

async function startSentinel(args: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'idle-sentinel.ts'), [...args], {
    env,
    execArgv: [...nodeSettings.args],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the sentinel ended with ${code}`)));
  });
  return child;
}

async function endSentinel(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

/** Processor time of a process so far, all its threads. */
function cpuMsOf(pid: number): number {
  const ticks = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  // Fields 14 and 15 of the whole line; a tick is 10 ms.
  return (Number(ticks[11]) + Number(ticks[12])) * 10;
}

function rssMiBOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kib) / 1024;
}

function handleOf(guest: Guest): GuestHandle {
  const handle = must(findGuests()).find(({ pid }) => pid === guest.pid());
  if (handle === undefined) throw new Error(`${guest.name} was not found`);
  return handle;
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
