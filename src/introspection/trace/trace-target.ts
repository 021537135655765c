// What a tracer must know of a guest: plain values, so that one process with the guest's monitor can hand them to another that
// traces it. And the guest's memory and kernel, opened from them.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { parseRegisters } from '../hypervisor/cpu-registers.ts';
import type { Accelerator, GuestHandle } from '../hypervisor/guest-handle.ts';
import { attachKernel } from '../kernel/attach-kernel.ts';
import { KernelSpace } from '../kernel/kernel-space.ts';
import { findStretches } from '../memory/attach-memory.ts';
import type { WritableGuestMemory } from '../memory/guest-memory.ts';
import { PageCache } from '../memory/page-cache.ts';
import { openQemuMemory, openWritableQemuMemory } from '../memory/qemu-memory.ts';
import type { MappedStretch } from '../memory/qemu-memory.ts';

export interface TraceTarget {
  readonly qemuPid: number;
  readonly accelerator: Accelerator;
  readonly stretches: readonly MappedStretch[];
  /** The text of HMP `info registers -a`: leads to the kernel. */
  readonly registers: string;
  /** Where kernel profiles are kept; null = learn the kernel anew. */
  readonly profileDirectory: string | null;
  /** Where the gdb stub listens. */
  readonly socketPath: string;
}

/** Read at one stop at most; what a walk asks for beyond shows zeros and is counted. */
const pagesMax = 2048;

/** Asks the monitor for everything a tracer needs but the stub, which is opened by `openStub`. Refuses a guest that is paused. */
export async function prepareTarget(
  guest: Pick<GuestHandle, 'pid' | 'accelerator'>,
  monitor: Monitor,
  place: Pick<TraceTarget, 'profileDirectory' | 'socketPath'>,
): Promise<Result<TraceTarget>> {
  const [status, stretches, registers] = await Promise.all([
    monitor.execute('query-status'),
    findStretches(monitor),
    monitor.hmp('info registers -a'),
  ]);
  if (!status.ok) return status;
  if (!stretches.ok) return stretches;
  if (!registers.ok) return registers;
  const { running, status: state } = status.value as { readonly running?: unknown; readonly status?: unknown };
  if (running !== true) {
    return fail(problem('refused', `The guest does not run (${String(state)}).`, 'Resume it, then trace it.'));
  }
  const { pid: qemuPid, accelerator } = guest;
  return ok({ qemuPid, accelerator, stretches: stretches.value, registers: registers.value, ...place });
}

export interface OpenTarget {
  /** Pages are read anew at each stop. */
  readonly space: KernelSpace;
  /** Null: opened for reading only. */
  readonly writable: WritableGuestMemory | null;
  /** Memory was plugged in or out, and lies so now. */
  remap(stretches: readonly MappedStretch[]): Result<void>;
  close(): void;
}

export function openTarget(target: TraceTarget, forWriting: boolean): Result<OpenTarget> {
  const { qemuPid, stretches } = target;
  const writable = forWriting ? openWritableQemuMemory(qemuPid, stretches) : null;
  if (writable !== null && !writable.ok) return writable;
  const memory = writable ?? openQemuMemory(qemuPid, stretches);
  if (!memory.ok) return memory;
  const kernel = attachKernel(new PageCache(memory.value), parseRegisters(target.registers), target.profileDirectory);
  if (!kernel.ok) {
    memory.value.close();
    return kernel;
  }
  const pages = new PageCache(memory.value, { pagesMax, readAhead: false });
  const space = new KernelSpace(pages, kernel.value.space.image, kernel.value.space.profile);
  return ok({
    space,
    writable: writable?.value ?? null,
    remap: (now) => memory.value.remap(now),
    close: () => memory.value.close(),
  });
}
