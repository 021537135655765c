// Which words of a recorded guest introspection looks at: breaking those, and not just any of a million bytes, is what tries it.
import { KernelSpace } from '../introspection/kernel/kernel-space.ts';
import { findKernel } from '../introspection/kernel/find-kernel.ts';
import { pageBytes } from '../introspection/memory/guest-memory.ts';
import { PageCache } from '../introspection/memory/page-cache.ts';
import { openRecording, viewOf } from './guest-recording.ts';
import type { GuestRecording } from './guest-recording.ts';
import type { Breakable } from './page-mutations.ts';
import { RecordedMemory } from './page-set.ts';

/** Everything that a sweep reads comes down to these. */
const readers = ['u8', 'u16', 'u32', 'copy', 'text'] as const;

/** Attaches and sweeps once with the page cache's readers watched. */
export function breakableOf(recording: GuestRecording, profileDirectory: string): Breakable {
  const seen = new Set<number>();
  const stop = watchReaders((address) => seen.add(address - (address % 8)));
  try {
    const session = openRecording(recording, profileDirectory);
    if (!session.ok) throw new Error(session.error.message);
    viewOf(session.value);
  } finally {
    stop();
  }
  const { numbers, bytes } = recording.pages;
  const slots = new Map(numbers.map((number, slot) => [number, slot]));
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number): bigint =>
    buffer.readBigUInt64LE((slots.get(Math.floor(at / pageBytes)) ?? 0) * pageBytes + (at % pageBytes));
  const lookedAt = [...seen].filter((at) => slots.has(Math.floor(at / pageBytes))).toSorted((a, b) => a - b);
  const { directMap, socketOperations } = kernelAddresses(recording);
  // A file is a socket by having these operations; that pointer is compared and never followed.
  const pointers = lookedAt.filter((at) => word(at) >= 0xffff_8000_0000_0000n && word(at) !== socketOperations);
  return { pages: recording.pages, lookedAt, pointers, directMap };
}

function watchReaders(see: (address: number) => void): () => void {
  const originals = readers.map((name) => [name, Object.getOwnPropertyDescriptor(PageCache.prototype, name)] as const);
  for (const [name, descriptor] of originals) {
    const original = descriptor?.value as (this: PageCache, address: number, length?: number) => unknown;
    Object.defineProperty(PageCache.prototype, name, {
      ...descriptor,
      value(this: PageCache, address: number, length?: number): unknown {
        see(address);
        return original.call(this, address, length);
      },
    });
  }
  return () => {
    for (const [name, descriptor] of originals) {
      if (descriptor !== undefined) Object.defineProperty(PageCache.prototype, name, descriptor);
    }
  };
}

function kernelAddresses(recording: GuestRecording): { readonly directMap: bigint; readonly socketOperations: bigint } {
  const pages = new PageCache(new RecordedMemory(recording.pages));
  const kernel = findKernel(pages, recording.cpus);
  if (!kernel.ok) throw new Error(kernel.error.message);
  const at = new KernelSpace(pages, kernel.value, recording.profile).symbol('page_offset_base');
  return {
    directMap: (BigInt(pages.u32(at + 4)) << 32n) | BigInt(pages.u32(at)),
    socketOperations: 0xffff_ffff_0000_0000n + BigInt(kernel.value.textLow + recording.profile.symbols.socket_file_ops),
  };
}
