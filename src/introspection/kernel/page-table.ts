// x86-64 page tables: where a virtual address lies in physical memory. Four or five levels, 4 KiB, 2 MiB and 1 GiB pages.
// A virtual address is two exact 32-bit halves, because 64-bit numbers are either slow (BigInt) or wrong (Number).
// Source: Intel SDM volume 3A, chapter 4.
import { pageBytes } from '../memory/guest-memory.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { PageCache } from '../memory/page-cache.ts';

/** Not mapped, or not a possible address. Physical page 0 never holds anything we look for. */
export const unmapped = 0;

const present = 1;
const large = 0x80;

export interface PageTableRoot {
  readonly address: PhysicalAddress;
  /** Five levels (LA57). */
  readonly la57: boolean;
}

/** The physical address behind the virtual address `high`:`low`, or `unmapped`. */
export function translate(pages: PageCache, root: PageTableRoot, high: number, low: number): PhysicalAddress {
  let table = root.address;
  if (root.la57) table = tableAt(pages, table, (high >>> 16) & 511);
  if (table !== unmapped) table = tableAt(pages, table, (high >>> 7) & 511);
  if (table === unmapped) return unmapped;

  const gigabyte = table + (((high << 2) | (low >>> 30)) & 511) * 8;
  const gigabyteFlags = pages.u32(gigabyte);
  if ((gigabyteFlags & present) === 0) return unmapped;
  if ((gigabyteFlags & large) !== 0) return frameOf(pages, gigabyte, 0x4000_0000) + (low & 0x3fff_ffff);

  const megabytes = frameOf(pages, gigabyte, pageBytes) + ((low >>> 21) & 511) * 8;
  const megabytesFlags = pages.u32(megabytes);
  if ((megabytesFlags & present) === 0) return unmapped;
  if ((megabytesFlags & large) !== 0) return frameOf(pages, megabytes, 0x20_0000) + (low & 0x1f_ffff);

  const page = frameOf(pages, megabytes, pageBytes) + ((low >>> 12) & 511) * 8;
  if ((pages.u32(page) & present) === 0) return unmapped;
  return frameOf(pages, page, pageBytes) + (low & 0xfff);
}

/** The table that entry `index` of `table` points to, or `unmapped`. */
export function tableAt(pages: PageCache, table: PhysicalAddress, index: number): PhysicalAddress {
  const entry = table + index * 8;
  return (pages.u32(entry) & present) === 0 ? unmapped : frameOf(pages, entry, pageBytes);
}

/** The frame an entry names; bits 12..51, cleared down to the size of the page it maps. */
function frameOf(pages: PageCache, entry: PhysicalAddress, frameBytes: number): PhysicalAddress {
  const low = pages.u32(entry);
  const high = pages.u32(entry + 4) & 0x000f_ffff;
  return high * 0x1_0000_0000 + ((low & -frameBytes) >>> 0);
}

/** A stretch of kernel image as the page tables map it. */
export interface MappedRun {
  /** Bytes from the start of the window at 0xffffffff80000000. */
  readonly offset: number;
  readonly physical: PhysicalAddress;
  readonly sizeBytes: number;
  readonly writable: boolean;
  readonly executable: boolean;
}

/**
 * What is mapped in the gigabyte where Linux puts its own image (0xffffffff80000000), in ascending order, adjacent pages of like
 * permission joined. Empty when these tables map nothing there. Bounded: at most 512 x 512 entries.
 */
export function mappedImage(pages: PageCache, root: PageTableRoot): readonly MappedRun[] {
  const top = root.la57 ? tableAt(pages, root.address, 511) : root.address;
  const upper = top === unmapped ? unmapped : tableAt(pages, top, 511);
  const middle = upper === unmapped ? unmapped : tableAt(pages, upper, 510);
  if (middle === unmapped) return [];
  const runs: MappedRun[] = [];
  for (let index = 0; index < 512; index += 1) {
    const entry = middle + index * 8;
    const flags = pages.u32(entry);
    if ((flags & present) === 0) continue;
    const offset = index * 0x20_0000;
    if ((flags & large) !== 0) {
      addRun(runs, pages, entry, offset, 0x20_0000);
      continue;
    }
    const table = frameOf(pages, entry, pageBytes);
    for (let page = 0; page < 512; page += 1) {
      const leaf = table + page * 8;
      if ((pages.u32(leaf) & present) !== 0) addRun(runs, pages, leaf, offset + page * pageBytes, pageBytes);
    }
  }
  return runs;
}

function addRun(runs: MappedRun[], pages: PageCache, entry: PhysicalAddress, offset: number, sizeBytes: number): void {
  const physical = frameOf(pages, entry, sizeBytes);
  const writable = (pages.u32(entry) & 2) !== 0;
  const executable = pages.u32(entry + 4) >>> 31 === 0;
  const last = runs.at(-1);
  if (
    last?.offset !== undefined &&
    last.offset + last.sizeBytes === offset &&
    last.physical + last.sizeBytes === physical &&
    last.writable === writable &&
    last.executable === executable
  ) {
    runs[runs.length - 1] = { ...last, sizeBytes: last.sizeBytes + sizeBytes };
    return;
  }
  runs.push({ offset, physical, sizeBytes, writable, executable });
}
