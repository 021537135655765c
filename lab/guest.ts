// One running virtual machine of the lab: started, asked, frozen, brought back and stopped. Dies with the process that started it.
import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { problem, sayProblem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import type { Monitor } from '../src/protocols/qmp/monitor.ts';
import { openQmp } from '../src/protocols/qmp/qmp-client.ts';
import { runCommand } from './commands.ts';
import { openGuestChannel, type CommandOutcome, type GuestChannel } from './guest-channel.ts';
import type { Kernel } from './kernels.ts';
import {
  guestFiles,
  qemuArguments,
  stableUuid,
  type GuestHardware,
  type GuestMachine,
  type GuestNetwork,
} from './qemu-command.ts';

export interface GuestSpec {
  readonly name: string;
  readonly kernel: Kernel;
  readonly initramfs: string;
  /** Read-only raw base of the guest's disk holding its root file system; without it the guest lives in its initramfs. */
  readonly disk?: string;
  readonly hardware?: Partial<GuestHardware>;
  readonly network?: GuestNetwork;
  /** Process whose network namespace QEMU joins; its own otherwise. */
  readonly namespaceOf?: number;
  readonly append?: readonly string[];
  /** Parent of the guest's own directory. */
  readonly runDirectory: string;
}

export interface Guest {
  readonly name: string;
  readonly uuid: string;
  readonly kernel: Kernel;
  /** The product's QMP socket; the lab uses another one. */
  readonly qmpSocket: string;
  readonly consoleLog: string;
  /** Process id of its QEMU, or undefined when it is powered off. A restore after power-off changes it. */
  pid(): number | undefined;
  /** A shell command as root in the guest. Throws when the guest cannot answer, which is never what a test asks about. */
  run(command: string, timeoutMs?: number): Promise<CommandOutcome>;
  /** The lab's own line to the running QEMU, beside the product's. */
  qmp(): Monitor;
  /** Keeps memory, devices and disk under a name. */
  snapshot(name: string): Promise<Result<void>>;
  /**
   * Back to a snapshot and running, whether it runs, is suspended or was powered off, in a new QEMU process: under
   * emulation a snapshot loaded into a running one now and then left the guest with timers that never fire, since its
   * cycle counter may not go back there.
   */
  restore(name: string): Promise<Result<void>>;
  /** The same within the running QEMU process, as an administrator's `loadvm` does it. */
  revert(name: string): Promise<Result<void>>;
  stop(): Promise<void>;
}

/**
 * Without CMPXCHG16B: QEMU 7.2 emulates it wrongly when an interrupt comes at the wrong moment, and on a busy host most guests of
 * 6.12 died of it in their own boot, in the kernel's allocator (measured: 0 of 3 came up with it, 5 of 5 without).
 */
const steadyProcessor = 'qemu64,-cx16';

export const defaultHardware: GuestHardware = {
  vcpus: 1,
  memoryMib: 192,
  machine: 'pc',
  accelerator: 'tcg',
  memory: 'anonymous',
};

const bootPatienceMs = 120_000;
const panicLookMs = 500;
const commandLimitMs = 20_000;
const listenPatienceMs = 15_000;
const snapshotPatienceMs = 60_000;

interface Life {
  readonly child: ChildProcess;
  readonly monitor: Monitor;
  readonly channel: GuestChannel;
}

/** Starts a guest and returns once its command channel answers. */
export async function bootGuest(spec: GuestSpec): Promise<Result<Guest>> {
  const directory = join(spec.runDirectory, spec.name);
  await mkdir(directory, { recursive: true });
  const machine: GuestMachine = {
    name: spec.name,
    uuid: stableUuid(spec.name),
    directory,
    vmlinuz: spec.kernel.vmlinuz,
    initramfs: spec.initramfs,
    rootOnDisk: spec.disk !== undefined,
    hardware: {
      ...defaultHardware,
      ...(spec.hardware?.accelerator === 'kvm' ? {} : { cpu: steadyProcessor }),
      ...spec.hardware,
    },
    ...(spec.network === undefined ? {} : { network: spec.network }),
    append: spec.append ?? [],
  };
  const disk = await makeDisk(guestFiles(directory).disk, spec.disk);
  if (!disk.ok) return disk;
  const life = await startLife(machine, spec.namespaceOf);
  if (!life.ok) return life;
  const ready = await waitUntilAnswering(machine, life.value);
  if (!ready.ok) return ready;
  return ok(guestOver(spec, machine, life.value));
}

/** A snapshot needs a writable qcow2, so even a guest without a disk of its own gets a small one. */
async function makeDisk(path: string, base: string | undefined): Promise<Result<string>> {
  const from = base === undefined ? [] : ['-b', base, '-F', 'raw'];
  const size = base === undefined ? ['16M'] : [];
  return runCommand(['qemu-img', 'create', '-q', '-f', 'qcow2', ...from, path, ...size]);
}

async function startLife(
  machine: GuestMachine,
  namespaceOf: number | undefined,
  snapshot?: string,
): Promise<Result<Life>> {
  const files = guestFiles(machine.directory);
  const enter = namespaceOf === undefined ? [] : ['nsenter', `--net=/proc/${namespaceOf}/ns/net`];
  // The kernel ends QEMU when this process ends, however it ends: no guest is ever left behind.
  const argv = ['--pdeathsig', 'KILL', ...enter, ...qemuArguments(machine, snapshot)];
  const words = openSync(join(machine.directory, 'qemu.log'), 'a');
  const child = spawn('setpriv', argv, { stdio: ['ignore', words, words] });
  closeSync(words);
  const ended = new Promise<'ended'>((resolve) => {
    child.once('exit', () => resolve('ended'));
    child.once('error', () => resolve('ended'));
  });
  const monitor = await Promise.race([openWhenListening(files.labQmp), ended]);
  if (monitor === 'ended' || !monitor.ok) {
    child.kill('SIGKILL');
    return fail(
      problem('failed', `QEMU for ${machine.name} did not start: ${await lastWords(machine.directory, 'qemu.log')}`),
    );
  }
  const channel = await openGuestChannel(files.commandPort);
  if (!channel.ok) {
    child.kill('SIGKILL');
    return channel;
  }
  return ok({ child, monitor: monitor.value, channel: channel.value });
}

/** QEMU listens some milliseconds after it was started. */
async function openWhenListening(path: string): Promise<Result<Monitor>> {
  const deadline = performance.now() + listenPatienceMs;
  for (;;) {
    const opened = await openQmp(path);
    if (opened.ok || performance.now() > deadline) return opened;
    await wait(20);
  }
}

async function waitUntilAnswering(machine: GuestMachine, life: Life): Promise<Result<void>> {
  const settled = new AbortController();
  const answer = await Promise.race([
    life.channel.run('true', bootPatienceMs),
    panicOf(guestFiles(machine.directory).console, settled.signal),
  ]);
  settled.abort();
  if (answer.ok && answer.value.code === 0) return ok(undefined);
  life.child.kill('SIGKILL');
  const said = await lastWords(machine.directory, 'console.log');
  return fail(
    problem(
      'failed',
      `${machine.name} did not come up: ${answer.ok ? `its shell ended with ${answer.value.code}` : sayProblem(answer.error)} Its console ends with: ${said}`,
    ),
  );
}

/** Settles when the guest's console says that its kernel has given up; with `signal`, never. */
async function panicOf(consoleLog: string, signal: AbortSignal): Promise<Result<never>> {
  for (;;) {
    const isOver = await wait(panicLookMs, false, { signal }).catch(() => true);
    if (isOver) return new Promise(() => {});
    const text = await readFile(consoleLog, 'utf8').catch(() => '');
    if (text.includes('Kernel panic')) return fail(problem('failed', 'Its kernel panicked.'));
  }
}

async function lastWords(directory: string, file: string): Promise<string> {
  const text = await readFile(join(directory, file), 'utf8').catch(() => '');
  return text.trim().slice(-600) || 'nothing';
}

function guestOver(spec: GuestSpec, machine: GuestMachine, firstLife: Life): Guest {
  let life = firstLife;
  const alive = (): boolean => life.child.exitCode === null && life.child.signalCode === null;
  const files = guestFiles(machine.directory);
  const order = async (command: string): Promise<Result<void>> => {
    const said = await life.monitor.hmp(command, { timeoutMs: snapshotPatienceMs });
    if (!said.ok) return said;
    // These commands say nothing when they worked.
    return said.value.trim() === ''
      ? ok(undefined)
      : fail(problem('failed', `QEMU refused ${command}: ${said.value.trim()}`));
  };
  const end = async (): Promise<void> => {
    life.monitor.close();
    life.channel.close();
    if (!alive()) return;
    const gone = new Promise((resolve) => life.child.once('exit', resolve));
    life.child.kill('SIGKILL');
    await gone;
  };
  // Nothing is asked of the guest: its command channel starts a shell, which whoever watches it would see.
  const resume = async (): Promise<Result<void>> => {
    const running = await life.monitor.execute('cont');
    return running.ok ? ok(undefined) : running;
  };
  return {
    name: machine.name,
    uuid: machine.uuid,
    kernel: spec.kernel,
    qmpSocket: files.productQmp,
    consoleLog: files.console,
    pid: () => (alive() ? life.child.pid : undefined),
    qmp: () => life.monitor,
    async run(command, timeoutMs = commandLimitMs) {
      const outcome = await life.channel.run(command, timeoutMs);
      if (outcome.ok) return outcome.value;
      const status = await life.monitor.execute('query-status');
      const state = status.ok ? JSON.stringify(status.value) : sayProblem(status.error);
      const words = await lastWords(machine.directory, 'console.log');
      throw new Error(
        `${machine.name}: ${sayProblem(outcome.error)} QEMU says ${state}; its console ends with: ${words}`,
      );
    },
    snapshot: async (name) => order(`savevm ${name}`),
    async restore(name) {
      await end();
      const again = await startLife(machine, spec.namespaceOf, name);
      if (!again.ok) return again;
      life = again.value;
      return resume();
    },
    async revert(name) {
      const loaded = await order(`loadvm ${name}`);
      return loaded.ok ? resume() : loaded;
    },
    stop: end,
  };
}
