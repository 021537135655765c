// Which pages of a file the guest has in memory, and where: the file's tree of pages, each page's own record checked against it. Nothing
// is read of the contents here.
// Sources: include/linux/pagemap.h, include/linux/mm_types.h in Linux.
import { pageBytes } from '../memory/guest-memory.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { walkXArray } from '../kernel/xarray.ts';
import type { XArrayEntry } from '../kernel/xarray.ts';

/** Of a page: not in memory. */
export const notCached = 0;
/** Of a page: it is on its way into memory, or in swap. */
export const elsewhere = -1;

export interface CachedPages {
  /** By page of the file: where it lies in guest memory, or one of the two above. */
  readonly frames: Float64Array;
  readonly present: number;
  /** False when something in the tree made no sense: pages may then be missing that are there. */
  readonly sound: boolean;
}

/** A page belongs to at most this many before it when they were stored as one: 2 MiB, and 1 GiB where hardware allows. */
const largePagesMax = 2 ** 18;

/** `mapping`: the file's address_space; null when this kernel's layout of it is not known. */
export function findCachedPages(space: KernelSpace, mapping: PhysicalAddress, pageCount: number): CachedPages | null {
  const reader = pageRecords(space);
  const tree = space.profile.fields['address_space.i_pages'];
  if (reader === null || tree === undefined) return null;
  const frames = new Float64Array(pageCount);
  let torn = 0;
  const limits = { nodesMax: Math.ceil(pageCount / 32) + 64, end: pageCount };
  const walked = walkXArray(space, mapping + tree, limits, (entry) => {
    const here = Math.min(entry.span, pageCount - entry.index);
    // A plain number remembers a page that was thrown out, or says where in swap it is.
    const first = entry.isValue ? 'unread' : reader(entry, mapping);
    if (first === 'torn') torn += 1;
    if (typeof first === 'string') {
      frames.fill(elsewhere, entry.index, entry.index + here);
      return;
    }
    for (let page = 0; page < here; page += 1) frames[entry.index + page] = first + page * pageBytes;
  });
  let present = 0;
  for (const frame of frames) if (frame > 0) present += 1;
  return { frames, present, sound: torn === 0 && walked.torn === 0 && !walked.cut };
}

/** Tells where the first page that an entry stands for lies. */
function pageRecords(
  space: KernelSpace,
): ((entry: XArrayEntry, mapping: PhysicalAddress) => PhysicalAddress | 'torn' | 'unread') | null {
  const { fields, bits, sizes } = space.profile;
  const array = space.optionalSymbol('vmemmap_base');
  const { 'page.flags': flags, 'page.mapping': mappingAt, 'page.index': indexAt } = fields;
  const uptodate = bits['page.uptodate'];
  const size = sizes.page;
  if (array === null || flags === undefined || mappingAt === undefined || indexAt === undefined) return null;
  if (uptodate === undefined || size === undefined || uptodate > 31) return null;
  const { pages } = space;
  return (entry, mapping) => {
    const fromFirst = (entry.high - pages.u32(array + 4)) * 0x1_0000_0000 + (entry.low - pages.u32(array));
    const record = space.anywhere(entry.high, entry.low);
    if (record === nowhere || fromFirst < 0 || fromFirst % size !== 0) return 'torn';
    if (space.maybePointer(record + mappingAt) !== mapping) return 'torn';
    // Some kernels store a large page in each of its slots, others once with siblings: its own index says where it starts.
    const before = entry.index - pages.u64(record + indexAt);
    if (before < 0 || before >= largePagesMax || entry.headIndex < entry.index - before) return 'torn';
    if (((pages.u32(record + flags) >>> uptodate) & 1) === 0) return 'unread';
    const frame = (fromFirst / size + before) * pageBytes;
    return frame + entry.span * pageBytes <= pages.memory.end ? frame : 'torn';
  };
}
