// What the kernel's own record of a task says at one moment: the part that can change, read at every sweep and compared
// with the last one. What hangs below it (paths, arguments) is read only when this says it may have changed.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { KernelProfile } from '../kernel/kernel-profile.ts';
import type { ThreadList } from './thread-list.ts';

export interface TaskFacts {
  readonly task: PhysicalAddress;
  readonly pid: number;
  readonly tgid: number;
  readonly parentTgid: number;
  readonly flags: number;
  readonly exiting: boolean;
  readonly inExec: boolean;
  /** Nanoseconds from boot to start, in halves because they may exceed 2^53. */
  readonly startHigh: number;
  readonly startLow: number;
  readonly execGeneration: number;
  readonly uid: number;
  readonly euid: number;
  readonly cred: PhysicalAddress;
  readonly mm: PhysicalAddress;
  readonly files: PhysicalAddress;
  readonly nsproxy: PhysicalAddress;
  readonly threadPid: PhysicalAddress;
  readonly cgroups: PhysicalAddress;
  /** The 16 bytes of `comm`. */
  readonly comm0: number;
  readonly comm1: number;
  readonly comm2: number;
  readonly comm3: number;
}

/** From include/linux/sched.h. */
const flag = { exiting: 0x4, forkedNotExeced: 0x40, kernelThread: 0x20_0000 } as const;
const liveThreadsTried = 4096;

export function isKernelThread(facts: TaskFacts): boolean {
  return (facts.flags & flag.kernelThread) !== 0;
}

export function isForkedNotExeced(facts: TaskFacts): boolean {
  return (facts.flags & flag.forkedNotExeced) !== 0;
}

export function transienceOf(facts: TaskFacts): 'exit' | 'exec' | null {
  if (facts.exiting) return 'exit';
  return facts.inExec ? 'exec' : null;
}

export function isSameProcess(one: TaskFacts, other: TaskFacts): boolean {
  return one.pid === other.pid && one.startLow === other.startLow && one.startHigh === other.startHigh;
}

/** The same program image: same process, and no execve since. */
export function sameImage(one: TaskFacts, other: TaskFacts): boolean {
  return isSameProcess(one, other) && one.execGeneration === other.execGeneration && one.mm === other.mm;
}

/** Nothing that a task view shows, or that leads to it, is different. */
export function sameFacts(one: TaskFacts, other: TaskFacts): boolean {
  return (
    sameImage(one, other) &&
    one.tgid === other.tgid &&
    one.parentTgid === other.parentTgid &&
    one.exiting === other.exiting &&
    one.inExec === other.inExec &&
    (one.flags & flag.forkedNotExeced) === (other.flags & flag.forkedNotExeced) &&
    one.uid === other.uid &&
    one.euid === other.euid &&
    one.nsproxy === other.nsproxy &&
    one.threadPid === other.threadPid &&
    one.cgroups === other.cgroups &&
    one.comm0 === other.comm0 &&
    one.comm1 === other.comm1 &&
    one.comm2 === other.comm2 &&
    one.comm3 === other.comm3
  );
}

/** Offsets as local names: looked up once instead of for every task. */
export interface TaskOffsets {
  readonly pid: number;
  readonly tgid: number;
  readonly flags: number;
  readonly exitState: number;
  readonly realParent: number;
  readonly cred: number;
  readonly start: number;
  readonly execGeneration: number;
  readonly mm: number;
  readonly files: number;
  readonly nsproxy: number;
  readonly threadPid: number;
  readonly cgroups: number | null;
  readonly comm: number;
  /** Byte and mask of the in-exec bit; null when the kernel has none. */
  readonly inExec: { readonly byte: number; readonly mask: number } | null;
  readonly credUid: number;
  readonly credEuid: number;
}

export function taskOffsets({ fields, bits }: KernelProfile): TaskOffsets {
  const bit = bits['task_struct.in_execve'];
  return {
    pid: fields['task_struct.pid'],
    tgid: fields['task_struct.tgid'],
    flags: fields['task_struct.flags'],
    exitState: fields['task_struct.exit_state'],
    realParent: fields['task_struct.real_parent'],
    cred: fields['task_struct.cred'],
    start: fields['task_struct.start_boottime'],
    execGeneration: fields['task_struct.self_exec_id'],
    mm: fields['task_struct.mm'],
    files: fields['task_struct.files'],
    nsproxy: fields['task_struct.nsproxy'],
    threadPid: fields['task_struct.thread_pid'],
    cgroups: fields['task_struct.cgroups'] ?? null,
    comm: fields['task_struct.comm'],
    inExec: bit === undefined ? null : { byte: Math.floor(bit / 8), mask: 1 << (bit % 8) },
    credUid: fields['cred.uid'],
    credEuid: fields['cred.euid'],
  };
}

export function readTaskFacts(space: KernelSpace, offsets: TaskOffsets, task: PhysicalAddress): TaskFacts {
  const { pages } = space;
  const flags = pages.u32(task + offsets.flags);
  const exiting = (flags & flag.exiting) !== 0 || pages.u32(task + offsets.exitState) !== 0;
  const parent = space.pointer(task + offsets.realParent);
  const cred = space.pointer(task + offsets.cred);
  return {
    task,
    pid: pages.u32(task + offsets.pid),
    tgid: pages.u32(task + offsets.tgid),
    parentTgid: parent === nowhere ? 0 : pages.u32(parent + offsets.tgid),
    flags,
    exiting,
    inExec: offsets.inExec !== null && (pages.u8(task + offsets.inExec.byte) & offsets.inExec.mask) !== 0,
    startHigh: pages.u32(task + offsets.start + 4),
    startLow: pages.u32(task + offsets.start),
    execGeneration: pages.u32(task + offsets.execGeneration),
    cred,
    uid: cred === nowhere ? 0 : pages.u32(cred + offsets.credUid),
    euid: cred === nowhere ? 0 : pages.u32(cred + offsets.credEuid),
    mm: space.pointer(task + offsets.mm),
    files: space.pointer(task + offsets.files),
    nsproxy: space.pointer(task + offsets.nsproxy),
    threadPid: space.pointer(task + offsets.threadPid),
    cgroups: offsets.cgroups === null ? nowhere : space.pointer(task + offsets.cgroups),
    comm0: pages.u32(task + offsets.comm),
    comm1: pages.u32(task + offsets.comm + 4),
    comm2: pages.u32(task + offsets.comm + 8),
    comm3: pages.u32(task + offsets.comm + 12),
  };
}

/**
 * A process whose first thread has ended while others run on still has its program and its files: they are read from
 * the first thread that lives. Without this, ending the first thread would be a way to hide both.
 */
export function livingFacts(
  space: KernelSpace,
  offsets: TaskOffsets,
  leader: TaskFacts,
  threads: ThreadList,
): TaskFacts {
  for (const thread of threads.of(space, leader.task, liveThreadsTried)) {
    if (thread === leader.task) continue;
    const facts = readTaskFacts(space, offsets, thread);
    if (facts.exiting || facts.tgid !== leader.tgid || facts.mm === nowhere) continue;
    const { mm, files, nsproxy, cgroups } = facts;
    return { ...leader, exiting: false, mm, files, nsproxy, cgroups };
  }
  return leader;
}
