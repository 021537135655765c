// A guest opened for looking at its integrity, from plain values, so that it can be done on another thread than the sentinel's.
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import { ok, type Result } from '../../kit/result.ts';
import { activityReader } from '../../introspection/guest/system.ts';
import { trafficCounters } from '../../introspection/guest/traffic-counters.ts';
import { parseRegisters } from '../../introspection/hypervisor/cpu-registers.ts';
import type { IntegrityCheck } from '../../introspection/integrity/integrity-view.ts';
import { agreeing, hasFindings, type KernelIntegrity } from '../../introspection/integrity/kernel/check-kernel.ts';
import { type KernelWatch, openKernelWatch } from '../../introspection/integrity/kernel/kernel-watch.ts';
import { ProcessIntegrity } from '../../introspection/integrity/processes/process-integrity.ts';
import type { MappedStretch } from '../../introspection/memory/qemu-memory.ts';
import { openTarget, type TraceTarget } from '../../introspection/trace/trace-target.ts';

/** Where a guest's memory lies and what its processors' registers lead to. */
export type IntegrityTarget = TraceTarget;

export interface IntegrityReport extends KernelIntegrity {
  /** Of the kernel and of processes. */
  readonly checks: readonly IntegrityCheck[];
}

export interface OpenIntegrity {
  readonly kernel: KernelWatch;
  readonly processes: ProcessIntegrity;
  /** Moves whenever something starts or is connected in the guest. */
  readonly stirred: () => number;
  /** Memory was plugged in or out. */
  remap(stretches: readonly MappedStretch[]): Result<void>;
  close(): void;
}

/** Takes the baseline: a second of work. Problem `refused`: `vmlinuz` is another kernel's. */
export function openIntegrity(target: IntegrityTarget, vmlinuz: Buffer | null, clock: Clock): Result<OpenIntegrity> {
  const opened = openTarget(target, false);
  if (!opened.ok) return opened;
  const { space } = opened.value;
  const kernel = openKernelWatch(space, { vmlinuz, directory: target.profileDirectory });
  if (!kernel.ok) {
    opened.value.close();
    return kernel;
  }
  // Kernel and processes are read through pages of their own.
  space.pages.release();
  const activity = activityReader(space, trafficCounters(space));
  return ok({
    kernel: kernel.value,
    processes: new ProcessIntegrity(space, clock),
    stirred: () => {
      const { forks, traffic } = activity();
      return forks + traffic;
    },
    remap: (stretches) => opened.value.remap(stretches),
    close: () => {
      kernel.value.close();
      opened.value.close();
    },
  });
}

/**
 * What several looks must agree on, and how long the guest runs between them: at a hundred ticks a second, well more than the fifty
 * that findings about processes must have lasted.
 */
const looksMax = 3;
const pauseMs = 300;

/** Everything at once, for a person who waits: about two seconds. */
export async function wholeLook({ kernel, processes }: OpenIntegrity, registers: string): Promise<IntegrityReport> {
  const cpus = parseRegisters(registers);
  const looks: KernelIntegrity[] = [];
  let last = kernel.look(cpus);
  let ofProcesses = processes.checkProcesses();
  for (let look = 1; look < looksMax; look += 1) {
    looks.push(last);
    await wait(pauseMs);
    ofProcesses = processes.checkProcesses();
    if (hasFindings(last)) last = kernel.look(cpus);
  }
  const agreed = agreeing(looks, last);
  return { ...agreed, checks: [...agreed.checks, ...ofProcesses] };
}
