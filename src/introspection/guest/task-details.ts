// What hangs below a task's record: its executable, arguments, control group and namespaces. Costly to read, and fixed for
// as long as the same program image runs, so it is read once per image.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { pageBytes } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { translate, unmapped } from '../kernel/page-table.ts';
import type { FieldName } from '../kernel/kernel-profile.ts';
import { filePath } from './file-path.ts';
import type { NamespaceView } from './guest-view.ts';
import type { TaskFacts } from './task-facts.ts';

export interface TaskDetails {
  readonly exe: string | null;
  readonly argv: readonly string[] | null;
  readonly cgroup: string | null;
  readonly namespaces: NamespaceView | null;
}

export const noDetails: TaskDetails = { exe: null, argv: null, cgroup: null, namespaces: null };

const argumentBytesMax = 128 * 1024;
const argumentsMax = 4096;
/** Holds the arguments of nearly every program. */
const firstArgumentBytes = 1024;
/** As Linux has it. */
const titleBytesMax = pageBytes;
const userAddressEnd = 2 ** 52;
const cgroupDepthMax = 64;
const cgroupNameBytesMax = 255;
const pidLevelsMax = 32;

export function readTaskDetails(space: KernelSpace, facts: TaskFacts): TaskDetails {
  const { fields } = space.profile;
  const { mm } = facts;
  const exeFile = mm === nowhere ? nowhere : space.pointer(mm + fields['mm_struct.exe_file']);
  return {
    exe: exeFile === nowhere ? null : filePath(space, exeFile),
    argv: mm === nowhere ? null : readArguments(space, mm),
    cgroup: readCgroup(space, facts.cgroups),
    namespaces: readNamespaces(space, facts),
  };
}

export function sameDetails(one: TaskDetails, other: TaskDetails): boolean {
  return (
    one.exe === other.exe &&
    one.cgroup === other.cgroup &&
    sameList(one.argv, other.argv) &&
    sameNamespaces(one.namespaces, other.namespaces)
  );
}

function sameList(one: readonly string[] | null, other: readonly string[] | null): boolean {
  if (one === null || other === null) return one === other;
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

function sameNamespaces(one: NamespaceView | null, other: NamespaceView | null): boolean {
  if (one === null || other === null) return one === other;
  return (
    one.pid === other.pid &&
    one.mnt === other.mnt &&
    one.net === other.net &&
    one.user === other.user &&
    one.uts === other.uts &&
    one.ipc === other.ipc &&
    one.cgroup === other.cgroup
  );
}

/**
 * The arguments: the process's own memory, through its own page tables. A page that is
 * not there (swapped out) reads as `?`.
 */
export function readArguments(space: KernelSpace, mm: PhysicalAddress): readonly string[] | null {
  const { pages, profile } = space;
  const start = pages.u64(mm + profile.fields['mm_struct.arg_start']);
  const end = pages.u64(mm + profile.fields['mm_struct.arg_end']);
  const tables = space.pointer(mm + profile.fields['mm_struct.pgd']);
  if (tables === nowhere || end < start || end >= userAddressEnd) return null;
  const { bytes, lastIsThere } = readUser(space, tables, start, Math.min(end - start, argumentBytesMax));
  // A program that wrote a title over its arguments, and over their end, has one text that goes on into its environment.
  const titled = lastIsThere && bytes.at(-1) !== 0 && end - start <= argumentBytesMax;
  if (!titled) return splitArguments(bytes);
  const title = readUser(space, tables, start, titleBytesMax).bytes;
  const nul = title.indexOf(0);
  return [title.toString('utf8', 0, nul < 0 ? titleBytesMax : nul)];
}

/**
 * The same of a program that the kernel still puts together: its first `count` strings. Where they end is written down last of all, and
 * environment follows.
 */
export function readFirstArguments(space: KernelSpace, mm: PhysicalAddress, count: number): readonly string[] | null {
  const { pages, profile } = space;
  const start = pages.u64(mm + profile.fields['mm_struct.arg_start']);
  const tables = space.pointer(mm + profile.fields['mm_struct.pgd']);
  if (tables === nowhere || start === 0 || start >= userAddressEnd) return null;
  for (let length = firstArgumentBytes; ; length = argumentBytesMax) {
    const { bytes } = readUser(space, tables, start, length);
    const end = endOfStrings(bytes, count);
    if (end !== null || length === argumentBytesMax) return splitArguments(bytes.subarray(0, end ?? length));
  }
}

function endOfStrings(bytes: Buffer, count: number): number | null {
  let end = 0;
  for (let done = 0; done < count; done += 1) {
    const nul = bytes.indexOf(0, end);
    if (nul < 0) return null;
    end = nul + 1;
  }
  return end;
}

export function readUser(
  space: KernelSpace,
  tables: PhysicalAddress,
  start: number,
  length: number,
): { readonly bytes: Buffer; readonly lastIsThere: boolean } {
  const bytes = Buffer.alloc(length, '?');
  const root = { address: tables, la57: space.root.la57 };
  let at: PhysicalAddress = unmapped;
  for (let done = 0; done < length;) {
    const address = start + done;
    const take = Math.min(pageBytes - (address % pageBytes), length - done);
    at = translate(space.pages, root, Math.floor(address / 0x1_0000_0000), address >>> 0);
    if (at !== unmapped) space.pages.copy(at, take).copy(bytes, done);
    done += take;
  }
  return { bytes, lastIsThere: at !== unmapped };
}

/** NUL ends an argument. Empty ones at the end cannot be told from the padding after a title, and are left out. */
function splitArguments(bytes: Buffer): readonly string[] {
  const args: string[] = [];
  let from = 0;
  while (from < bytes.length && args.length < argumentsMax) {
    const nul = bytes.indexOf(0, from);
    const end = nul < 0 ? bytes.length : nul;
    args.push(bytes.toString('utf8', from, end));
    from = end + 1;
  }
  return args.slice(0, args.findLastIndex((arg) => arg !== '') + 1);
}

/** The group's place in the unified hierarchy. */
export function readCgroup(space: KernelSpace, cgroups: PhysicalAddress): string | null {
  const { fields } = space.profile;
  const group = fields['css_set.dfl_cgrp'];
  const kn = fields['cgroup.kn'];
  const name = fields['kernfs_node.name'];
  const parent = fields['kernfs_node.parent'];
  if (cgroups === nowhere || group === undefined || kn === undefined || name === undefined || parent === undefined)
    return null;
  const node = space.pointer(cgroups + group);
  if (node === nowhere) return null;
  const names: string[] = [];
  let at = space.pointer(node + kn);
  for (let depth = 0; at !== nowhere && depth < cgroupDepthMax; depth += 1) {
    const above = space.pointer(at + parent);
    if (above === nowhere) return `/${names.reverse().join('/')}`;
    const text = space.pointer(at + name);
    names.push(text === nowhere ? '?' : space.pages.text(text, cgroupNameBytesMax));
    at = above;
  }
  return null;
}

function readNamespaces(space: KernelSpace, facts: TaskFacts): NamespaceView | null {
  const { nsproxy } = facts;
  if (nsproxy === nowhere) return null;
  const { fields } = space.profile;
  const inum = (pointerAt: PhysicalAddress, field: number | undefined): number => {
    const namespace = space.pointer(pointerAt);
    return namespace === nowhere || field === undefined ? 0 : space.pages.u32(namespace + field);
  };
  const own = (proxy: FieldName, field: FieldName): number => inum(nsproxy + fields[proxy], fields[field]);
  const cgroup = fields['nsproxy.cgroup_ns'];
  return {
    pid: pidNamespace(space, facts.threadPid),
    mnt: own('nsproxy.mnt_ns', 'mnt_namespace.ns.inum'),
    net: own('nsproxy.net_ns', 'net.ns.inum'),
    user: facts.cred === nowhere ? 0 : inum(facts.cred + fields['cred.user_ns'], fields['user_namespace.ns.inum']),
    uts: own('nsproxy.uts_ns', 'uts_namespace.ns.inum'),
    ipc: own('nsproxy.ipc_ns', 'ipc_namespace.ns.inum'),
    cgroup: cgroup === undefined ? 0 : inum(nsproxy + cgroup, fields['cgroup_namespace.ns.inum']),
  };
}

/** The namespace a process is *in* is that of its deepest number; `nsproxy` holds the one its children will be in. */
function pidNamespace(space: KernelSpace, pid: PhysicalAddress): number {
  if (pid === nowhere) return 0;
  const { fields, sizes } = space.profile;
  const level = space.pages.u32(pid + fields['pid.level']);
  if (level > pidLevelsMax) return 0;
  const namespace = space.pointer(pid + fields['pid.numbers'] + level * (sizes.upid ?? 16) + fields['upid.ns']);
  return namespace === nowhere ? 0 : space.pages.u32(namespace + fields['pid_namespace.ns.inum']);
}
