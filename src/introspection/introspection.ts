// Looks into running x86-64 Linux guests of QEMU from the host: no agent, no configuration, no pause, nothing written. The public
// door of this library: a program needs this file, `GuestSession` and the shapes in `guest/guest-view.ts`.
//
//   const guests = findGuests();
//   const session = await attach(guest, { clock, profileDirectory });
//   const sweep = session.value.sweep();
//
// A session holds one monitor connection, which QEMU grants to one client at a time: close it when done.
import type { Clock } from '../kit/clock.ts';
import { problem } from '../kit/problem.ts';
import { fail, ok } from '../kit/result.ts';
import type { Result } from '../kit/result.ts';
import type { Monitor } from '../protocols/qmp/monitor.ts';
import { GuestSession } from './guest-session.ts';
import type { Machine } from './guest-session.ts';
import { parseRegisters } from './hypervisor/cpu-registers.ts';
import type { CpuRegisters } from './hypervisor/cpu-registers.ts';
import type { GuestHandle } from './hypervisor/guest-handle.ts';
import { openMonitor } from './hypervisor/open-monitor.ts';
import { processOwner, processStart, scanProcesses } from './hypervisor/process-scan.ts';
import type { ScanOptions } from './hypervisor/process-scan.ts';
import { attachKernel } from './kernel/attach-kernel.ts';
import { attachMemory } from './memory/attach-memory.ts';
import type { GuestMemory } from './memory/guest-memory.ts';
import { PageCache } from './memory/page-cache.ts';

export interface AttachOptions {
  readonly clock: Clock;
  /** Where kernel profiles are kept between runs; null = learn the kernel anew each time (about 100 ms). */
  readonly profileDirectory: string | null;
  /** A monitor that is open already and stays the caller's; otherwise the session opens one and closes it. */
  readonly monitor?: Monitor;
}

/** The QEMU guests that run on this host. */
export function findGuests(options: ScanOptions = {}): Result<readonly GuestHandle[]> {
  return scanProcesses(options);
}

/**
 * Attaches to a running guest. Problems: `unreadable` = nothing there that can be understood (still booting, firmware,
 * not Linux, encrypted memory); `refused` = not permitted, or the monitor is taken; `not-found` = the guest has ended or has
 * no monitor.
 */
export async function attach(guest: GuestHandle, options: AttachOptions): Promise<Result<GuestSession>> {
  if (guest.confidential !== null) {
    const message = `The memory of ${guest.name} is encrypted by the processor (${guest.confidential.toUpperCase()}).`;
    return fail(
      problem('unreadable', message, 'Nothing can look into such a guest from outside; watch it by an agent.'),
    );
  }
  const opened = options.monitor === undefined ? await openMonitor(guest) : ok(options.monitor);
  if (!opened.ok) return opened;
  const ownsMonitor = options.monitor === undefined;
  const alive = (): boolean => processStart(guest.pid) === guest.startTicks;
  const machine = { monitor: opened.value, ownsMonitor, alive, qemuUid: processOwner(guest.pid) };
  const session = await attachBy(machine, guest.pid, options);
  if (!session.ok && ownsMonitor) opened.value.close();
  return session;
}

async function attachBy(
  machine: Omit<Machine, 'refreshMemory'>,
  pid: number,
  options: AttachOptions,
): Promise<Result<GuestSession>> {
  const { monitor } = machine;
  // Sent together: a round trip to a busy QEMU costs milliseconds.
  const [attached, registers] = await Promise.all([attachMemory(monitor, pid), monitor.hmp('info registers -a')]);
  if (!attached.ok) return attached;
  const { memory, refresh: refreshMemory } = attached.value;
  if (!registers.ok) {
    memory.close();
    return registers;
  }
  return openSession(memory, parseRegisters(registers.value), { ...machine, refreshMemory }, options);
}

/** A session on any memory with the registers its CPUs had: a recording, say. Without a machine it is always the same. */
export function openSession(
  memory: GuestMemory,
  cpus: readonly CpuRegisters[],
  machine: Machine | null,
  options: Pick<AttachOptions, 'clock' | 'profileDirectory'>,
): Result<GuestSession> {
  const kernel = attachKernel(new PageCache(memory), cpus, options.profileDirectory);
  if (kernel.ok) return ok(new GuestSession(kernel.value, options.clock, machine));
  memory.close();
  return kernel;
}
