// Collects from a running kernel's own tables where it patches its code: jump labels, static calls, functions that can be traced.
import type { PhysicalAddress } from '../../../memory/guest-memory.ts';
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { KernelMap } from '../kernel-map.ts';
import { atOffset, chainNodes, codeOffset, follow, locate, plus, wordAt } from '../hooks/kernel-pointer.ts';
import type { Virtual } from '../hooks/kernel-pointer.ts';
import type { LoadedModule } from '../modules/loaded-modules.ts';
import type { PatchSite } from './patch-sites.ts';
import type { Unseen } from '../../unseen.ts';

const jumpEntryBytes = 16;
const callSiteBytes = 8;
const sitesMax = 400_000;
const tracePagesMax = 8192;

/** Sites of the kernel's own image, by its tables in memory. */
export function imageSites(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly PatchSite[] {
  const marks = map.landmarks;
  const [jumps, jumpsEnd] = [marks.__start___jump_table, marks.__stop___jump_table];
  const [calls, callsEnd] = [marks.__start_static_call_sites, marks.__stop_static_call_sites];
  if (jumps === undefined || jumpsEnd === undefined) unseen.note('the kernel’s table of jump labels is not there');
  if (calls === undefined || callsEnd === undefined) unseen.note('the kernel’s table of static calls is not there');
  return [
    ...jumpSites(space, atOffset(space, jumps ?? 0), Math.floor(((jumpsEnd ?? 0) - (jumps ?? 0)) / jumpEntryBytes)),
    ...callSites(space, atOffset(space, calls ?? 0), Math.floor(((callsEnd ?? 0) - (calls ?? 0)) / callSiteBytes)),
  ];
}

/** Sites that only have a name. */
export function namedSites(map: KernelMap): readonly PatchSite[] {
  return [
    ...map.trampolines.map(({ offset, key }): PatchSite => ({ kind: 'static-call', offset, target: key })),
    ...map.tracerCalls.map((offset): PatchSite => ({ kind: 'ftrace-entry', offset, target: 0 })),
  ];
}

/** Sites of a loaded module, in its own code only: no module may declare the kernel's code open to change. */
export function moduleSites(space: KernelSpace, module: LoadedModule): readonly PatchSite[] {
  const { fields } = space.profile;
  const isOwn = ({ offset }: PatchSite): boolean =>
    module.code.some(({ start, end }) => offset >= start && offset < end);
  const table = (at: number | undefined, countAt: number | undefined): [Virtual, number] => {
    const where = countAt === undefined ? nowhere : locate(space, plus(module.at, countAt));
    if (at === undefined || where === nowhere) return [{ high: 0, low: 0 }, 0];
    return [follow(space, plus(module.at, at)), space.pages.u32(where)];
  };
  return [
    ...jumpSites(space, ...table(fields['module.jump_entries'], fields['module.num_jump_entries'])),
    ...callSites(space, ...table(fields['module.static_call_sites'], fields['module.num_static_call_sites'])),
  ].filter(isOwn);
}

/** An entry: {s32 code, s32 target, s64 key}, each relative to its own place. */
function jumpSites(space: KernelSpace, table: Virtual, count: number): readonly PatchSite[] {
  const sites: PatchSite[] = [];
  for (let index = 0; index < Math.min(count, sitesMax); index += 1) {
    const entry = plus(table, index * jumpEntryBytes);
    const [code, target] = [relative(space, entry, 0), relative(space, entry, 4)];
    if (code !== null && target !== null) sites.push({ kind: 'jump-label', offset: code, target });
  }
  return sites;
}

/** An entry: {s32 address, s32 key and two flags}, each relative to its own place. */
function callSites(space: KernelSpace, table: Virtual, count: number): readonly PatchSite[] {
  const sites: PatchSite[] = [];
  for (let index = 0; index < Math.min(count, sitesMax); index += 1) {
    const entry = plus(table, index * callSiteBytes);
    const [code, key] = [relative(space, entry, 0), relative(space, entry, 4)];
    if (code !== null && key !== null) sites.push({ kind: 'static-call', offset: code, target: key - (key % 4) });
  }
  return sites;
}

/** Where the relative pointer at `entry + at` leads, from `_text`. */
function relative(space: KernelSpace, entry: Virtual, at: number): number | null {
  const place = plus(entry, at);
  const where = locate(space, place);
  return where === nowhere ? null : codeOffset(space, plus(place, space.pages.u32(where) | 0));
}

/** Functions that can be traced, of the kernel and of its modules: the kernel keeps one record for each. `isWanted`: by its offset. */
export function traceSites(
  space: KernelSpace,
  map: KernelMap,
  unseen: Unseen,
  isWanted: (offset: number) => boolean,
): readonly PatchSite[] {
  const { fields, sizes } = space.profile;
  const list = map.landmarks.ftrace_pages_start;
  const [next, records, count] = [
    fields['ftrace_page.next'],
    fields['ftrace_page.records'],
    fields['ftrace_page.index'],
  ];
  const [ip, each] = [fields['dyn_ftrace.ip'], sizes.dyn_ftrace];
  if (
    list === undefined ||
    next === undefined ||
    records === undefined ||
    count === undefined ||
    ip === undefined ||
    each === undefined
  ) {
    unseen.note('the kernel keeps no list of the functions that can be traced');
    return [];
  }
  const sites: PatchSite[] = [];
  let left = sitesMax;
  const { nodes, whole } = chainNodes(space, follow(space, atOffset(space, list)), next, tracePagesMax);
  if (!whole) unseen.note('the list of functions that can be traced breaks off');
  for (const page of nodes) {
    const countAt = locate(space, plus(page, count));
    const entries = Math.min(countAt === nowhere ? 0 : space.pages.u32(countAt), left);
    left -= entries;
    const first = follow(space, plus(page, records));
    for (let index = 0; index < entries; index += 1) {
      const at: PhysicalAddress = locate(space, plus(first, index * each + ip));
      const offset = at === nowhere ? null : codeOffset(space, wordAt(space, at));
      if (offset !== null && offset !== 0 && isWanted(offset)) sites.push({ kind: 'ftrace', offset, target: 0 });
    }
  }
  return sites;
}
