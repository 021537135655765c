// Finds the running Linux kernel from the CPUs' registers alone: no scanning, no configuration, whatever KASLR did.
import { pageBytes } from '../memory/guest-memory.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { PageCache } from '../memory/page-cache.ts';
import { problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { CpuRegisters } from '../hypervisor/cpu-registers.ts';
import { mappedImage } from './page-table.ts';
import type { MappedRun, PageTableRoot } from './page-table.ts';

/** The window in which Linux maps its image: 0xffffffff80000000, one gigabyte. */
export const imageWindow = 0x8000_0000;
/** A page-table-isolated user root maps a few entry pages only; a kernel is larger than this. */
const imageBytesMin = 4_000_000;

export interface KernelImage {
  readonly root: PageTableRoot;
  /** Low half of the virtual address of `_text`; the high half is always 0xffffffff. */
  readonly textLow: number;
  /** Where `_text` lies; the whole image is contiguous from there. */
  readonly textPhysical: PhysicalAddress;
  readonly sizeBytes: number;
  /** What is mapped, offsets from `_text`. */
  readonly runs: readonly MappedRun[];
}

export function findKernel(pages: PageCache, cpus: readonly CpuRegisters[]): Result<KernelImage> {
  for (const cpu of cpus) {
    if (!cpu.longMode) continue;
    const la57 = Math.floor(cpu.cr4 / 0x1000) % 2 === 1;
    // The second form undoes page-table isolation: a user root is the kernel's plus one page. Neither form may be
    // relied on alone, since without isolation bit 12 can belong to the address.
    for (const alignment of [pageBytes, 2 * pageBytes]) {
      const image = imageAt(pages, { address: cpu.cr3 - (cpu.cr3 % alignment), la57 });
      if (image !== null) return ok(image);
    }
  }
  return fail(whatElse(cpus));
}

function imageAt(pages: PageCache, root: PageTableRoot): KernelImage | null {
  const runs = mappedImage(pages, root);
  const first = runs[0];
  const last = runs.at(-1);
  if (first === undefined || last === undefined) return null;
  const mapped = runs.reduce((sum, run) => sum + run.sizeBytes, 0);
  if (mapped < imageBytesMin) return null;
  return {
    root,
    textLow: imageWindow + first.offset,
    textPhysical: first.physical,
    sizeBytes: last.offset + last.sizeBytes - first.offset,
    runs: runs.map((run) => ({ ...run, offset: run.offset - first.offset })),
  };
}

/** Says what seems to run instead of Linux. */
function whatElse(cpus: readonly CpuRegisters[]): Problem {
  const running = cpus.filter((cpu) => cpu.longMode);
  if (running.length === 0) {
    const message =
      'The guest has not started a 64-bit kernel: it is in its firmware, its boot loader or very early boot.';
    return problem('unreadable', message, 'Wait until it has booted; if it waits at a prompt, see its console.');
  }
  // Linux keeps its interrupt table at 0xfffffe0000000000; Windows among its system pages, above 0xfffff80000000000.
  const windows = running.some(({ interruptTable: { high } }) => high >= 0xfffff800 && high < 0xfffffe00);
  if (windows) {
    return problem(
      'unreadable',
      'The guest runs Windows or another system that is not Linux.',
      'Only x86-64 Linux guests can be looked into.',
    );
  }
  const message = 'No Linux kernel is mapped in the guest: it is still booting, or runs another system.';
  return problem('unreadable', message, 'Try again once it has booted; only x86-64 Linux guests can be looked into.');
}
