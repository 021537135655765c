// Guest memory that a test writes byte by byte, and a kernel over it of which only what the test is about is known.
import type { KernelProfile } from '../introspection/kernel/kernel-profile.ts';
import { KernelSpace } from '../introspection/kernel/kernel-space.ts';
import type { GuestMemory } from '../introspection/memory/guest-memory.ts';
import { PageCache } from '../introspection/memory/page-cache.ts';

/** Where `spaceOver` maps all memory: the upper half of such an address; the lower is the physical address. */
export const directMapHigh = 0xffff_8880;
const readsMax = 100_000;

export function memoryOf(bytes: Buffer): GuestMemory {
  return {
    end: bytes.length,
    read(address, into, offset, length) {
      if (!(address >= 0) || address + length > bytes.length) return false;
      into.set(bytes.subarray(address, address + length), offset);
      return true;
    },
    close() {},
  };
}

/** The first 8 bytes of memory are taken for the start of the direct map. */
export function spaceOver(
  memory: GuestMemory,
  fields: Readonly<Record<string, number>>,
  symbols: Readonly<Record<string, number>> = {},
  sizes: Readonly<Record<string, number>> = {},
): KernelSpace {
  const base = Buffer.alloc(8);
  base.writeUInt32LE(directMapHigh, 4);
  const patched: GuestMemory = {
    ...memory,
    read(address, into, offset, length) {
      if (!memory.read(address, into, offset, length)) return false;
      if (address === 0 && length >= 8) into.set(base, offset);
      return true;
    },
  };
  const profile = { fields, bits: {}, sizes, symbols: { page_offset_base: 0, init_top_pgt: 0, ...symbols } };
  const image = { root: { address: 0, la57: false }, textLow: 0, textPhysical: 0, sizeBytes: 0, runs: [] };
  const pages = new PageCache(patched, { readAhead: false });
  pages.begin(readsMax);
  return new KernelSpace(pages, image, profile as unknown as KernelProfile);
}
