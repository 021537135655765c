// Kernel addresses as integrity checks need them: as written, whether or not they lead anywhere, and as offsets from `_text`, which is
// how all kernel code can be named: its image, modules and whatever is made at run time share the last two gigabytes.
import type { PhysicalAddress } from '../../../memory/guest-memory.ts';
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';

/** A virtual address in exact halves. */
export interface Virtual {
  readonly high: number;
  readonly low: number;
}

export const codeHigh = 0xffff_ffff;

/** The word at `at`, which is a pointer or not. */
export function wordAt(space: KernelSpace, at: PhysicalAddress): Virtual {
  return { high: space.pages.u32(at + 4), low: space.pages.u32(at) };
}

export function isNull({ high, low }: Virtual): boolean {
  return high === 0 && low === 0;
}

export function isSame(a: Virtual, b: Virtual): boolean {
  return a.high === b.high && a.low === b.low;
}

/** `by` may be negative. */
export function plus({ high, low }: Virtual, by: number): Virtual {
  const sum = low + by;
  return { high: (high + Math.floor(sum / 0x1_0000_0000)) >>> 0, low: sum >>> 0 };
}

/** Where a virtual address lies, up to the end of its page; `nowhere` when it is not mapped. */
export function locate(space: KernelSpace, { high, low }: Virtual): PhysicalAddress {
  return space.anywhere(high, low);
}

/** The word at a virtual address; NULL when it is not mapped. */
export function follow(space: KernelSpace, at: Virtual): Virtual {
  const where = locate(space, at);
  return where === nowhere ? { high: 0, low: 0 } : wordAt(space, where);
}

/** From `_text`; null for what cannot be an address of code. May exceed the image. */
export function codeOffset(space: KernelSpace, { high, low }: Virtual): number | null {
  return high === codeHigh && low >= space.image.textLow ? low - space.image.textLow : null;
}

export function atOffset(space: KernelSpace, offset: number): Virtual {
  return { high: codeHigh, low: (space.image.textLow + offset) >>> 0 };
}

export function hex({ high, low }: Virtual): string {
  return high === 0 ? `0x${low.toString(16)}` : `0x${high.toString(16)}${low.toString(16).padStart(8, '0')}`;
}

/**
 * The nodes of a kernel list (`list_head`) whose head lies at `head`, by virtual address; at most `most`, and it says when the
 * list broke off or went on.
 */
export function listNodes(
  space: KernelSpace,
  head: Virtual,
  most: number,
): { nodes: readonly Virtual[]; whole: boolean } {
  const nodes: Virtual[] = [];
  let at = follow(space, head);
  while (!isSame(at, head)) {
    if (nodes.length >= most || locate(space, at) === nowhere) return { nodes, whole: false };
    nodes.push(at);
    at = follow(space, at);
  }
  return { nodes, whole: true };
}

/** The same for a list that ends at NULL (`hlist`, chains of `next` at the start of a node). `first` is the first node. */
export function chainNodes(
  space: KernelSpace,
  first: Virtual,
  nextAt: number,
  most: number,
): { nodes: readonly Virtual[]; whole: boolean } {
  const nodes: Virtual[] = [];
  let at = first;
  while (!isNull(at)) {
    if (nodes.length >= most || locate(space, at) === nowhere) return { nodes, whole: false };
    nodes.push(at);
    at = follow(space, plus(at, nextAt));
  }
  return { nodes, whole: true };
}
