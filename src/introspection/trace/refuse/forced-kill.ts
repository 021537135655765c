// Ends a process of the guest while it stands still: SIGKILL is put among its pending signals, and it finds it before it runs one more
// instruction of its own. Never the first process of the system or of a container: the kernel does not protect them on this way,
// and would go down, or take the container down, with them.
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { readTaskFacts, taskOffsets } from '../../guest/task-facts.ts';
import type { TaskOffsets } from '../../guest/task-facts.ts';
import type { StoppedGuest } from '../hook.ts';
import { inImage } from '../kernel-code.ts';
import { codeOffset } from './kernel-address.ts';
import { taskBehind } from './task-behind.ts';

/** From include/linux/sched.h and sched/signal.h; the same since long before 5.10. */
const kernelThread = 0x20_0000;
const unkillable = 0x40;
const killBit = 1 << (9 - 1);
const pidLevelsMax = 32;
const wakeUpBytes = 64;

/** What a kernel must be known for before anything is killed in it. */
export interface KillPlaces {
  readonly pending: number;
  readonly threadFlags: number;
  readonly signalFlags: number;
  readonly upidNumber: number;
  /** Of the bit in the thread's flags that says that a signal is pending; it moved between kernels. */
  readonly pendingByte: number;
  readonly pendingMask: number;
  readonly task: TaskOffsets;
}

/** Null when this kernel cannot be killed in: a field is missing, or the code that sends signals is not understood. */
export function killPlaces(space: KernelSpace): KillPlaces | null {
  const { fields, symbols } = space.profile;
  const pending = fields['task_struct.pending.signal'];
  const threadFlags = fields['task_struct.thread_info.flags'];
  const signalFlags = fields['signal_struct.flags'];
  const wakeUp = symbols.signal_wake_up_state;
  if (pending === undefined || threadFlags === undefined || signalFlags === undefined || wakeUp === undefined)
    return null;
  if (codeOffset(space, inImage(space, wakeUp)) === null) return null;
  const bit = pendingBit(space.pages.copy(space.image.textPhysical + wakeUp, wakeUpBytes));
  if (bit === null) return null;
  return {
    pending,
    threadFlags,
    signalFlags,
    upidNumber: fields['upid.nr'] ?? 0,
    pendingByte: bit.byte,
    pendingMask: bit.mask,
    task: taskOffsets(space.profile),
  };
}

/**
 * Which bit `signal_wake_up_state` sets first in the flags of the task it is given: `lock orb $mask, displacement(register)`, the lock
 * prefix overwritten on machines with one processor.
 */
export function pendingBit(code: Uint8Array): { readonly byte: number; readonly mask: number } | null {
  for (let at = 0; at + 5 < code.length; at += 1) {
    if (code[at] !== 0xf0 && code[at] !== 0x3e) continue;
    const next = code[at + 1] === 0x41 ? at + 2 : at + 1;
    const modrm = code[next + 1] ?? 0;
    if (code[next] !== 0x80 || ((modrm >>> 3) & 7) !== 1 || (modrm & 7) === 4) continue;
    const near = modrm >>> 6 === 1;
    if (!near && (modrm >>> 6 !== 0 || (modrm & 7) === 5)) continue;
    const byte = near ? (code[next + 2] ?? 0) : 0;
    const mask = code[next + (near ? 3 : 2)] ?? 0;
    const isOneBit = mask !== 0 && (mask & (mask - 1)) === 0;
    if (isOneBit && byte < 8) return { byte, mask };
    return null;
  }
  return null;
}

/** False when it is a kernel thread, the first process of a pid namespace, or what cannot be a process. */
export function mayKill(space: KernelSpace, places: KillPlaces, task: PhysicalAddress): boolean {
  if (task === nowhere) return false;
  const { fields, sizes } = space.profile;
  const facts = readTaskFacts(space, places.task, task);
  const signal = space.pointer(task + fields['task_struct.signal']);
  if ((facts.flags & kernelThread) !== 0 || facts.tgid <= 1 || facts.mm === nowhere || signal === nowhere) return false;
  if ((space.pages.u32(signal + places.signalFlags) & unkillable) !== 0) return false;
  const leader = firstThread(space, signal);
  const threadPid = leader === nowhere ? nowhere : space.pointer(leader + fields['task_struct.thread_pid']);
  if (threadPid === nowhere) return false;
  const level = space.pages.u32(threadPid + fields['pid.level']);
  if (level > pidLevelsMax) return false;
  for (let at = 0; at <= level; at += 1) {
    const upid = threadPid + fields['pid.numbers'] + at * (sizes.upid ?? 16);
    if (space.pages.u32(upid + places.upidNumber) === 1) return false;
  }
  return true;
}

/** The threads of a process hang in a list whose first is the one that leads. */
function firstThread(space: KernelSpace, signal: PhysicalAddress): PhysicalAddress {
  const { fields } = space.profile;
  const node = space.pointer(signal + fields['signal_struct.thread_head']);
  return node === nowhere ? nowhere : node - fields['task_struct.thread_node'];
}

/**
 * Ends the process that `caught` is of, or works for. One that sleeps meanwhile, waiting for a worker, ends when it next wakes. False when it
 * may not be ended, or could not be written. Doing it twice does no more than doing it once.
 */
export function forceKill(guest: StoppedGuest, places: KillPlaces, caught: PhysicalAddress): boolean {
  const { space } = guest;
  const task = taskBehind(space, caught);
  if (!mayKill(space, places, task)) return false;
  const signals = task + places.pending;
  const flags = task + places.threadFlags + places.pendingByte;
  // Every vCPU stands still, so what is read here is what is there when it is written. The signal comes first: a thread that is told to look
  // and finds nothing just goes on.
  return (
    guest.write(signals + 1, Uint8Array.of(space.pages.u8(signals + 1) | (killBit >>> 8))) &&
    guest.write(flags, Uint8Array.of(space.pages.u8(flags) | places.pendingMask))
  );
}
