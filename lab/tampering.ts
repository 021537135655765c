// Tampers with a guest as an intruder in its kernel would: writes its memory from the host, so that a test can plant what a
// check must find. The product never writes; this does nothing else.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { parseRegisters } from '../src/introspection/hypervisor/cpu-registers.ts';
import { attachKernel } from '../src/introspection/kernel/attach-kernel.ts';
import type { KernelSpace } from '../src/introspection/kernel/kernel-space.ts';
import { attachMemory } from '../src/introspection/memory/attach-memory.ts';
import type { PhysicalAddress } from '../src/introspection/memory/guest-memory.ts';
import { PageCache } from '../src/introspection/memory/page-cache.ts';
import type { Guest } from './guest.ts';

/** Bytes to be put at a guest-physical address; all within one page. */
export interface Patch {
  readonly address: PhysicalAddress;
  readonly bytes: Uint8Array;
}

export interface Tampered {
  /** What lay at each patch before, in the order given. */
  readonly before: readonly Buffer[];
  /** Puts it back. */
  undo(): Promise<void>;
}

/** Writes all patches while the guest stands still, so that it never sees half of them. Throws when it cannot. */
export async function tamper(guest: Guest, patches: readonly Patch[]): Promise<Tampered> {
  const before = await swap(guest, patches);
  const old = patches.map(({ address }, index) => ({ address, bytes: before[index] ?? Buffer.alloc(0) }));
  return {
    before,
    async undo() {
      await swap(guest, old.toReversed());
    },
  };
}

/** A pointer or a 64-bit word as the guest stores it: high and low half. */
export function word(high: number, low: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(low >>> 0, 0);
  bytes.writeUInt32LE(high >>> 0, 4);
  return bytes;
}

async function swap(guest: Guest, patches: readonly Patch[]): Promise<readonly Buffer[]> {
  must(await guest.qmp().execute('stop'));
  const file = openSync(`/proc/${guest.pid()}/mem`, 'r+');
  try {
    const before: Buffer[] = [];
    for (const { address, bytes } of patches) {
      const position = await hostAddress(guest, address);
      const old = Buffer.alloc(bytes.length);
      if (readSync(file, old, 0, old.length, position) !== old.length) throw new Error('short read of guest memory');
      if (writeSync(file, bytes, 0, bytes.length, position) !== bytes.length) throw new Error('short write');
      before.push(old);
    }
    return before;
  } finally {
    closeSync(file);
    must(await guest.qmp().execute('cont'));
  }
}

async function hostAddress(guest: Guest, address: PhysicalAddress): Promise<number> {
  const answer = must(await guest.qmp().hmp(`gpa2hva 0x${address.toString(16)}`));
  const found = / is 0x([0-9a-f]{1,16})/.exec(answer)?.[1];
  if (found === undefined) throw new Error(`no memory at 0x${address.toString(16)}: ${answer.trim()}`);
  return Number.parseInt(found, 16);
}

/**
 * The guest's kernel as the product reads it, to find what to tamper with; by the lab's own monitor, so that the product's stays
 * free. `space.pages.memory.close()` when done. Throws when it cannot be attached to.
 */
export async function openKernelSpace(guest: Guest): Promise<KernelSpace> {
  const { memory } = must(await attachMemory(guest.qmp(), guest.pid() ?? 0));
  const registers = must(await guest.qmp().hmp('info registers -a'));
  const kernel = attachKernel(new PageCache(memory), parseRegisters(registers), null);
  if (!kernel.ok) memory.close();
  return must(kernel).space;
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
