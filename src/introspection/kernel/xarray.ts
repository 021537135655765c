// Walks an XArray, the kernel's tree of numbered pointers: process ids and the pages of files are kept in one. The guest changes it
// meanwhile and may lie in it, so the walk is bounded and takes nothing on trust but its own count.
// Source: include/linux/xarray.h in Linux.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from './kernel-space.ts';
import type { KernelSpace } from './kernel-space.ts';

export interface XArrayEntry {
  /** First index it stands for. */
  readonly index: number;
  /** How many indices it stands for; more than one where a large thing was stored once. */
  readonly span: number;
  /** `index` of the slot that really holds it: its siblings only point there. */
  readonly headIndex: number;
  /** A pointer, or a plain number the kernel stored there (`isValue`). */
  readonly high: number;
  readonly low: number;
  readonly isValue: boolean;
}

export interface XArrayLimits {
  /** Nodes read at most, of 64 slots each. */
  readonly nodesMax: number;
  /** Entries at this index and beyond are left out. */
  readonly end: number;
}

/** `cut` = a limit was reached; `torn` = something that no XArray holds, there the walk went on beside it. */
export interface XArrayWalk {
  readonly cut: boolean;
  readonly torn: number;
}

const slotsPerNode = 64;
const shiftMax = 60;
/** Internal entries up to here are no nodes: siblings (below 62 << 2), then retry, zero and errors. */
const lastReservedEntry = 4096;
const kindMask = 3;
const internal = 2;
const siblingMax = 62;

/** Calls `visit` for every entry below `head` (the address of `xa_head`), in ascending order. */
export function walkXArray(
  space: KernelSpace,
  head: PhysicalAddress,
  limits: XArrayLimits,
  visit: (entry: XArrayEntry) => void,
): XArrayWalk {
  const { fields } = space.profile;
  const shiftAt = fields['xa_node.shift'];
  const slotsAt = fields['xa_node.slots'];
  if (shiftAt === undefined || slotsAt === undefined) return { cut: true, torn: 0 };
  const { pages } = space;
  let nodesLeft = limits.nodesMax;
  let cut = false;
  let torn = 0;

  const enter = (high: number, low: number, base: number, shiftBelow: number): void => {
    const node = space.linear(high, low - internal);
    const shift = node === nowhere ? shiftMax + 1 : pages.u8(node + shiftAt);
    if (shift >= shiftBelow || shift % 6 !== 0) {
      torn += 1;
      return;
    }
    nodesLeft -= 1;
    if (nodesLeft < 0) {
      cut = true;
      return;
    }
    const span = 2 ** shift;
    for (let slot = 0; slot < slotsPerNode && !cut; slot += 1) {
      const index = base + slot * span;
      if (index >= limits.end) return;
      take(node + slotsAt, slot, index, span, shift);
    }
  };

  const take = (slots: PhysicalAddress, slot: number, index: number, span: number, shift: number): void => {
    let from = slot;
    let low = pages.u32(slots + slot * 8);
    let high = pages.u32(slots + slot * 8 + 4);
    if (isSibling(high, low)) {
      from = low >>> 2;
      if (from >= slot) {
        torn += 1;
        return;
      }
      low = pages.u32(slots + from * 8);
      high = pages.u32(slots + from * 8 + 4);
    }
    if (high === 0 && low === 0) return;
    if ((low & kindMask) !== internal) {
      visit({ index, span, headIndex: index - (slot - from) * span, high, low, isValue: (low & 1) === 1 });
    } else if (isNode(high, low) && from === slot) enter(high, low, index, shift);
    else if (isNode(high, low) || isSibling(high, low)) torn += 1;
  };

  const low = pages.u32(head);
  const high = pages.u32(head + 4);
  if (isNode(high, low)) enter(high, low, 0, shiftMax + 1);
  else if ((high !== 0 || low !== 0) && (low & kindMask) !== internal && limits.end > 0) {
    visit({ index: 0, span: 1, headIndex: 0, high, low, isValue: (low & 1) === 1 });
  }
  return { cut, torn };
}

function isNode(high: number, low: number): boolean {
  return (low & kindMask) === internal && (high !== 0 || low > lastReservedEntry);
}

function isSibling(high: number, low: number): boolean {
  return high === 0 && (low & kindMask) === internal && low >>> 2 < siblingMax;
}
