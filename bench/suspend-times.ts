// How long a suspension takes under each hypervisor, from the finding's step in the sentinel's hands to its having been read back.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startLibvirtDomain } from '../lab/libvirt-domain.ts';
import { openLibvirtHost } from '../lab/libvirt-host.ts';
import { bootPlainGuest } from '../lab/plain-guest.ts';
import type { Enforcer } from '../src/connectors/enforcement/enforcer.ts';
import { libvirtEnforcer } from '../src/connectors/enforcement/libvirt/libvirt-enforcer.ts';
import { qemuEnforcer } from '../src/connectors/enforcement/qemu/qemu-enforcer.ts';
import { silentLog } from '../src/kit/log.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { openLibvirtMonitor } from '../src/protocols/libvirt/libvirt-monitor.ts';
import { openQmp } from '../src/protocols/qmp/qmp-client.ts';
import { AnswerMemory } from '../src/sentinel/answers/answer-memory.ts';
import { type Cause, Executor } from '../src/sentinel/answers/executor.ts';
import { openDatabase } from '../src/sentinel/database.ts';
import { stepFor } from '../src/stages/respond/steps.ts';

export type Hypervisor = 'qemu' | 'libvirt';

interface Target {
  readonly enforcer: Enforcer;
  readonly stop: () => Promise<void>;
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };
const rounds = 200;
const vm = 'name:bench';
const cause: Cause = { origin: 'standing-order', by: 'rules', alarm: null, group: null };

export async function suspendTimes(hypervisor: Hypervisor): Promise<readonly number[]> {
  const target = await (hypervisor === 'qemu' ? plainGuest() : libvirtDomain());
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'));
  const database = must(openDatabase(join(directory, 'sentinel.db')));
  const executor = new Executor({
    memory: new AnswerMemory(database),
    clock,
    log: silentLog,
    enforcer: () => Promise.resolve({ ok: true, value: target.enforcer }),
    release: () => Promise.reject(new Error('nothing is held')),
    network: () => Promise.resolve(null),
    stepAside: () => Promise.resolve(() => undefined),
    report: () => undefined,
  });
  try {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const from = performance.now();
      await done(executor, 'suspend', round);
      times.push(performance.now() - from);
      await done(executor, 'resume', round);
    }
    return times;
  } finally {
    await executor.idle();
    database.close();
    rmSync(directory, { recursive: true, force: true });
    await target.stop();
  }
}

async function done(executor: Executor, action: 'suspend' | 'resume', round: number): Promise<void> {
  const { state, evidence } = must(await executor.execute(stepFor(action, vm, 'bench', `${round}`), cause));
  if (state !== 'done') throw new Error(evidence);
}

async function plainGuest(): Promise<Target> {
  const guest = must(await bootPlainGuest({ kernel: '6.1', name: 'bench-suspend' }));
  const monitor = must(await openQmp(guest.qmpSocket));
  const pid = pidOf(guest);
  const enforcer = qemuEnforcer({ monitor, pid, alive: () => guest.pid() !== undefined, patience });
  const stop = async (): Promise<void> => {
    monitor.close();
    await guest.stop();
  };
  return { enforcer, stop };
}

async function libvirtDomain(): Promise<Target> {
  const host = must(await openLibvirtHost());
  const domain = must(await startLibvirtDomain(host, { name: 'bench' }));
  const { socket } = host;
  const { uuid } = domain;
  const monitor = must(await openLibvirtMonitor(socket, uuid));
  const alive = (): boolean => domain.pid() !== undefined;
  const stop = async (): Promise<void> => {
    monitor.close();
    await domain.remove();
    await host.stop();
  };
  return { enforcer: libvirtEnforcer({ socket, uuid, monitor, pid: pidOf(domain), alive, patience }), stop };
}

function pidOf(guest: { readonly pid: () => number | undefined }): number {
  const pid = guest.pid();
  if (pid === undefined) throw new Error('the guest has ended');
  return pid;
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
