// What a process has mapped into its memory: the kernel's list of its areas, a maple tree since 6.1, a linked list before. Changed by
// the guest meanwhile and possibly forged: every area is checked to belong, in order, to the address space that was asked about.
// Sources: include/linux/maple_tree.h, include/linux/mm_types.h in Linux.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';

export interface MemoryArea {
  /** First address, and one past the last: multiples of 4096, exact. */
  readonly start: number;
  readonly end: number;
  readonly writable: boolean;
  readonly executable: boolean;
  /** Writes go to the file, for all to see. */
  readonly shared: boolean;
  /** The kernel's open file that is mapped; `nowhere` for memory of no file. */
  readonly file: PhysicalAddress;
  /** Page of the file at `start`. */
  readonly firstPage: number;
  /** Code the kernel itself puts into every process (the vDSO), not the program's. */
  readonly kernelProvided: boolean;
}

export interface MemoryAreas {
  /** Ascending. */
  readonly areas: readonly MemoryArea[];
  /** As many as the kernel says there are, each in its place. */
  readonly complete: boolean;
}

/** vm.max_map_count is 65530 unless an administrator raised it. */
const areasMax = 100_000;
const nodesMax = 20_000;
const depthMax = 12;
/** From include/linux/mm.h. */
const flag = { write: 2, execute: 4, shared: 8 } as const;
const node = { mask: 256, leaf: 1, range: 2, allocation: 3 } as const;
const rangeSlots = 16;
const allocationSlots = 10;
const never = 2 ** 64;

interface AreaFields {
  readonly start: number;
  readonly end: number;
  readonly mm: number;
  readonly flags: number;
  readonly page: number;
  readonly file: number;
  readonly operations: number;
}

/** Null when this kernel's layout of them is not known. */
export function readMemoryAreas(space: KernelSpace, mm: PhysicalAddress): MemoryAreas | null {
  const fields = areaFields(space);
  const { 'mm_struct.mm_mt': tree, 'mm_struct.mmap': list, 'mm_struct.map_count': count } = space.profile.fields;
  if (fields === null || count === undefined) return null;
  const collector = new Collector(space, mm, fields);
  if (tree !== undefined) walkTree(space, mm + tree, collector);
  else if (list !== undefined) walkList(space, mm + list, collector);
  else return null;
  const { areas, sound } = collector;
  return { areas, complete: sound && areas.length === space.pages.u32(mm + count) };
}

function areaFields({ profile: { fields } }: KernelSpace): AreaFields | null {
  const start = fields['vm_area_struct.vm_start'];
  const end = fields['vm_area_struct.vm_end'];
  const mm = fields['vm_area_struct.vm_mm'];
  const flags = fields['vm_area_struct.vm_flags'];
  const page = fields['vm_area_struct.vm_pgoff'];
  const file = fields['vm_area_struct.vm_file'];
  const operations = fields['vm_area_struct.vm_ops'];
  if (start === undefined || end === undefined || mm === undefined || flags === undefined) return null;
  if (page === undefined || file === undefined || operations === undefined) return null;
  return { start, end, mm, flags, page, file, operations };
}

/** Takes areas in ascending order; whatever is no area of this address space makes the walk unsound. */
class Collector {
  readonly areas: MemoryArea[] = [];
  sound = true;
  readonly #space: KernelSpace;
  readonly #mm: PhysicalAddress;
  readonly #fields: AreaFields;
  readonly #special: PhysicalAddress | null;
  #reached = 0;

  constructor(space: KernelSpace, mm: PhysicalAddress, fields: AreaFields) {
    this.#space = space;
    this.#mm = mm;
    this.#fields = fields;
    this.#special = space.optionalSymbol('special_mapping_vmops');
  }

  /** False when there is no use in going on. */
  take(area: PhysicalAddress): boolean {
    const { pages } = this.#space;
    const fields = this.#fields;
    const start = area === nowhere ? 0 : pages.u64(area + fields.start);
    const end = area === nowhere ? 0 : pages.u64(area + fields.end);
    const belongs = start >= this.#reached && end > start && this.#space.maybePointer(area + fields.mm) === this.#mm;
    if (!belongs || this.areas.length >= areasMax) {
      this.sound = false;
      return this.areas.length < areasMax;
    }
    this.#reached = end;
    const flags = pages.u32(area + fields.flags);
    const operations = this.#space.maybePointer(area + fields.operations);
    this.areas.push({
      start,
      end,
      writable: (flags & flag.write) !== 0,
      executable: (flags & flag.execute) !== 0,
      shared: (flags & flag.shared) !== 0,
      file: this.#space.pointer(area + fields.file),
      firstPage: pages.u64(area + fields.page),
      kernelProvided: this.#special !== null && operations === this.#special,
    });
    return true;
  }
}

function walkList(space: KernelSpace, head: PhysicalAddress, collector: Collector): void {
  const next = space.profile.fields['vm_area_struct.vm_next'];
  if (next === undefined) {
    collector.sound = false;
    return;
  }
  let at = space.pointer(head);
  while (at !== nowhere && collector.take(at) && collector.sound) at = space.pointer(at + next);
}

/** `root`: address of `ma_root`. */
function walkTree(space: KernelSpace, root: PhysicalAddress, collector: Collector): void {
  const { pages, profile } = space;
  const pivots = { range: profile.fields['maple_range_64.pivot'], allocation: profile.fields['maple_arange_64.pivot'] };
  const slots = { range: profile.fields['maple_range_64.slot'], allocation: profile.fields['maple_arange_64.slot'] };
  if (pivots.range === undefined || slots.range === undefined) return;
  const layouts = {
    range: { pivot: pivots.range, slot: slots.range, count: rangeSlots },
    allocation: { pivot: pivots.allocation ?? 0, slot: slots.allocation ?? 0, count: allocationSlots },
  };
  let nodesLeft = nodesMax;

  const enter = (high: number, low: number, depth: number, last: number): boolean => {
    const type = (low >>> 3) & 15;
    const at = space.linear(high, low - (low % node.mask));
    nodesLeft -= 1;
    if (at === nowhere || depth > depthMax || nodesLeft < 0 || type < node.leaf || type > node.allocation) {
      collector.sound = false;
      return nodesLeft >= 0;
    }
    const { pivot, slot, count } = type === node.allocation ? layouts.allocation : layouts.range;
    for (let index = 0; index < count; index += 1) {
      // The last slot in use has no pivot of its own, or zero: what follows it in the node is not part of the tree.
      const own = index < count - 1 ? pages.u64(at + pivot + index * 8) : last;
      const end = own === 0 ? last : own;
      if (!takeSlot(at + slot + index * 8, type === node.leaf, depth, end)) return false;
      if (end >= last) return true;
    }
    return true;
  };

  const takeSlot = (at: PhysicalAddress, inLeaf: boolean, depth: number, last: number): boolean => {
    const low = pages.u32(at);
    const high = pages.u32(at + 4);
    if (high === 0 && low <= 4096) return true;
    return inLeaf ? collector.take(space.linear(high, low)) : enter(high, low, depth + 1, last);
  };

  const low = pages.u32(root);
  const high = pages.u32(root + 4);
  if (high === 0 && low <= 4096) return;
  // A tree of a single entry holds it in the root itself.
  if ((low & 3) === 2) enter(high, low, 0, never);
  else collector.take(space.linear(high, low));
}
