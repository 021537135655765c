// A guest that lies in every pointer: memory of random but plausible words, and a kernel whose fields lie at random places in it.
import type { KernelImage } from '../introspection/kernel/find-kernel.ts';
import { wanted } from '../introspection/kernel/kernel-profile.ts';
import type { KernelProfile } from '../introspection/kernel/kernel-profile.ts';
import { KernelSpace } from '../introspection/kernel/kernel-space.ts';
import { pageBytes } from '../introspection/memory/guest-memory.ts';
import type { GuestMemory } from '../introspection/memory/guest-memory.ts';
import { PageCache } from '../introspection/memory/page-cache.ts';

const pagesInMemory = 256;
const memoryBytes = pagesInMemory * pageBytes;
const directMapHigh = 0xffff_8880;

export interface HostileGuest {
  readonly seed: number;
  /** Out of ten words, so many are pointers into the guest's memory. */
  readonly pointers: number;
  /** Pointers aim at few places, so that lists meet themselves. */
  readonly places: number;
  /** Small numbers or any. */
  readonly small: boolean;
}

export function hostileMemory({ seed, pointers, places, small }: HostileGuest): GuestMemory {
  const random = generator(seed);
  const bytes = Buffer.alloc(memoryBytes);
  for (let at = 0; at < memoryBytes; at += 8) {
    if (random() * 10 < pointers) {
      const target = places === 0 ? random() * memoryBytes : Math.floor(random() * places) * (memoryBytes / places);
      bytes.writeUInt32LE(Math.floor(target / 8) * 8, at);
      bytes.writeUInt32LE(directMapHigh, at + 4);
    } else bytes.writeUInt32LE(Math.floor(random() * (small ? 64 : 2 ** 32)), at);
  }
  return {
    end: memoryBytes,
    read(address, into, offset, length) {
      if (!(address >= 0) || address + length > memoryBytes) return false;
      into.set(bytes.subarray(address, address + length), offset);
      return true;
    },
    close() {},
  };
}

/** mulberry32: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fields at odd places, so that every walk reads noise; the direct map starts where the pointers say. */
export function hostileSpace(memory: GuestMemory, seed: number): KernelSpace {
  const random = generator(seed ^ 0x5eed);
  const place = (most: number): number => Math.floor((random() * most) / 8) * 8;
  const scattered = (names: readonly string[], most: number): Record<string, number> =>
    Object.fromEntries(names.map((name) => [name, place(most)]));
  const fields = scattered([...Object.keys(wanted.requiredFields), ...Object.keys(wanted.optionalFields)], 512);
  const profile = {
    buildId: '',
    buildIdOffset: 0,
    banner: '',
    symbols: scattered([...wanted.requiredSymbols, ...wanted.optionalSymbols], memoryBytes / 2),
    fields,
    bits: { 'task_struct.in_execve': 1000, 'page.uptodate': 2 },
    sizes: { upid: 16, inet_listen_hashbucket: 16, module_memory: 24, page: 64 },
  } as unknown as KernelProfile;
  const image: KernelImage = {
    root: { address: 0, la57: false },
    textLow: 0x8100_0000,
    textPhysical: 0,
    sizeBytes: memoryBytes,
    runs: [],
  };
  const base = Buffer.alloc(8);
  base.writeUInt32LE(directMapHigh, 4);
  const patched: GuestMemory = {
    ...memory,
    read(address, into, offset, length) {
      if (!memory.read(address, into, offset, length)) return false;
      const at = profile.symbols.page_offset_base - address;
      if (at >= 0 && at + 8 <= length) into.set(base, offset + at);
      return true;
    },
  };
  const pages = new PageCache(patched);
  pages.begin(1000);
  return new KernelSpace(pages, image, profile);
}

/** What properties draw from: densities and places that make walks meet themselves, and ones that lead anywhere. */
export const hostileChoices = { pointers: [2, 5, 8, 9, 10], places: [0, 3, 64] } as const;
