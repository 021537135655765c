// A call through a table of functions that the kernel is about to make: the CPU was stopped when it read the pointer from the
// table. Putting another function's address where the kernel holds it makes the call go there instead, for this one call of this
// one process: neither table nor code is touched.
import type { RegisterName } from '../../../protocols/gdb/registers.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { KernelAddress, StoppedCpu, StoppedGuest } from '../hook.ts';
import { registerWith } from '../kernel-code.ts';
import { addressAt, addressIn, codeOffset, plus, sameAddress } from './kernel-address.ts';
import { loadAt, loadsBefore, registersByNumber } from './load-instruction.ts';
import type { Surroundings } from './load-instruction.ts';

/** One function pointer in a table of the kernel's image. */
export interface TableSlot {
  readonly table: PhysicalAddress;
  /** Bytes from the start of the table. */
  readonly offset: number;
  readonly address: KernelAddress;
}

/**
 * read = the pointer is in `register` and called next; unread = the CPU stands before the reading instruction, which goes to
 * `register`; entered = the CPU stands before the first instruction of the called function.
 */
export type PendingCall =
  | { readonly state: 'read'; readonly register: RegisterName }
  | { readonly state: 'unread'; readonly register: RegisterName; readonly sizeBytes: number }
  | { readonly state: 'entered'; readonly keptAt: PhysicalAddress | null };

/** Null when this CPU is not at such a call of that slot, or has passed it. */
export function pendingCall(
  space: KernelSpace,
  { registers }: StoppedCpu,
  slot: TableSlot,
  places: readonly Surroundings[],
): PendingCall | null {
  const target = addressAt(space, slot.table + slot.offset);
  const register = registerWith(registers, target.high, target.low);
  for (const place of places) {
    if (sameAddress(place.pointer, target)) return { state: 'entered', keptAt: place.keptAt };
    const unread = place.keptAt === null ? loadAt(place.bytes, place.next) : null;
    if (unread !== null && unread.base !== null) {
      const from = plus(addressIn(registers, unread.base), unread.displacement);
      if (sameAddress(from, slot.address)) {
        return { state: 'unread', register: unread.destination, sizeBytes: unread.sizeBytes };
      }
    }
    // A register may hold the same address from long ago, or inside the called function: then it is too late.
    if (register !== null && (wasJustRead(place, register, slot.offset) || isInThunk(space, place, register))) {
      return { state: 'read', register };
    }
  }
  return null;
}

function wasJustRead(place: Surroundings, register: RegisterName, offset: number): boolean {
  for (const load of loadsBefore(place)) {
    if (load.destination === register && load.displacement === offset) return true;
  }
  return false;
}

/** Each register has its own, one behind the other. Source: arch/x86/lib/retpoline.S in Linux. */
const thunkBytes = 32;
const returnInstruction = 0xc3;

/**
 * Kernels guarded against Spectre call what a register points to by way of a few instructions kept for that register, a
 * `thunk`. Until its last one, the return, the register still decides where it goes.
 */
function isInThunk(space: KernelSpace, { pointer, bytes, next }: Surroundings, register: RegisterName): boolean {
  const { symbols } = space.profile;
  const thunks = symbols['__x86_indirect_thunk_array'] ?? symbols['__x86_indirect_thunk_rax'];
  const offset = codeOffset(space, pointer);
  if (thunks === undefined || offset === null) return false;
  const within = offset - thunks - registersByNumber.indexOf(register) * thunkBytes;
  return within >= 0 && within < thunkBytes && bytes[next] !== returnInstruction;
}

/** False when it could not be written. */
export function redirectCall(guest: StoppedGuest, cpu: StoppedCpu, call: PendingCall, to: KernelAddress): boolean {
  switch (call.state) {
    case 'read':
      guest.setRegister(cpu, call.register, to);
      return true;
    case 'unread':
      guest.setRegister(cpu, call.register, to);
      guest.setRegister(cpu, 'rip', plus(addressIn(cpu.registers, 'rip'), call.sizeBytes));
      return true;
    case 'entered':
      if (call.keptAt !== null) return guest.write(call.keptAt, bytesOf(to));
      guest.setRegister(cpu, 'rip', to);
      return true;
  }
}

function bytesOf({ high, low }: KernelAddress): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(low, 0);
  bytes.writeUInt32LE(high, 4);
  return bytes;
}
