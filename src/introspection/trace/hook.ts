// The contract between the tracer's loop, what it recognises at a stop, and how an attempt is refused there. A hook is one
// kind of moment in the guest's kernel (a program starts, a socket connects); one file each.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { Registers, RegisterName } from '../../protocols/gdb/registers.ts';
import type { Actor } from './process-facts.ts';
import type { TracedEvent, TracedKind } from './trace-event.ts';

/** A virtual address in the guest kernel, in halves: it does not fit an exact Number. */
export interface KernelAddress {
  readonly high: number;
  readonly low: number;
}

/**
 * Where QEMU is to stop the guest. data = after an access to it (cheap under TCG, which throws its translations away at every
 * breakpoint); code = before the instruction is run (KVM: hardware breakpoints, at most four of both kinds together).
 */
export type StopPoint =
  | {
      readonly on: 'data';
      readonly at: KernelAddress;
      readonly sizeBytes: 1 | 2 | 4 | 8;
      readonly access: 'any' | 'write';
    }
  | { readonly on: 'code'; readonly at: KernelAddress };

export interface StoppedCpu {
  /** QEMU's thread number in the gdb protocol, 1 for the first vCPU. */
  readonly thread: number;
  readonly registers: Registers;
  /** The task that runs on it; `nowhere` when it cannot be told. */
  readonly current: PhysicalAddress;
}

/** The guest while no vCPU of it runs: read freely; what is written is in place when it runs on. */
export interface StoppedGuest {
  /** Pages are fresh as of this stop. */
  readonly space: KernelSpace;
  /** Every vCPU, not only the one reported: another may have hit at the same moment, and QEMU tells of one only. */
  readonly cpus: readonly StoppedCpu[];
  /** Sent together before the guest runs on. */
  setRegister(cpu: StoppedCpu, register: RegisterName, value: KernelAddress): void;
  /** Data only, never code. False when the guest is not open for writing or the place is not there. */
  write(at: PhysicalAddress, bytes: Uint8Array): boolean;
}

/** How the attempt that was seen can still be undone. Acting twice on one attempt must do no more than acting once. */
export interface Refusal {
  /** Makes the call fail; false when it can no longer, or not surely. */
  block(): boolean;
  /** Ends the process; false when it cannot, or must not (the first process of a system or a container). */
  kill(): boolean;
}

/** What one CPU was caught at. */
export interface Sighting {
  /** The same for two stops at one happening, different for two happenings: process start, not an address, which is reused. */
  readonly key: string;
  /** Two happenings may share the key after all: a process that asks for the same thing twice. */
  readonly repeatable?: boolean;
  /** A program that another one is to interpret: that one is asked about next, with this one among its arguments. */
  readonly interpreted?: boolean;
  /** Unless it is refused, an event of its own will follow: only then is the attempt told. */
  readonly eventFollows?: boolean;
  readonly event: Omit<TracedEvent, 'ts' | 'seq' | 'verdict'>;
  /** Of an attempt: who makes it, as it is before. */
  readonly actor?: Actor;
  /** Present for an attempt; absent for what has happened. */
  readonly refusal?: Refusal;
}

export interface Hook {
  readonly name: string;
  readonly points: readonly StopPoint[];
  /** Of a hook for attempts: it tells every event of this kind itself, and no observer is wanted beside it. */
  readonly insteadOf?: TracedKind;
  /**
   * Null when this CPU was not caught at this hook's moment: other code reads the same data, and stops are told late. `nothing` when
   * it was and there is nothing to tell, which explains the stop: a thread that is no process, a call on a socket of another kind.
   */
  recognise(guest: StoppedGuest, cpu: StoppedCpu): Sighting | 'nothing' | null;
}
