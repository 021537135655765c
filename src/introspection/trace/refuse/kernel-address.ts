// Virtual addresses of the guest kernel, in halves: compared, moved and looked up without a 64-bit number.
import { registerNames } from '../../../protocols/gdb/registers.ts';
import type { Registers, RegisterName } from '../../../protocols/gdb/registers.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { KernelAddress } from '../hook.ts';

export function addressIn(registers: Registers, register: RegisterName): KernelAddress {
  return { high: registers.high(register), low: registers.low(register) };
}

export function sameAddress(one: KernelAddress, other: KernelAddress): boolean {
  return one.high === other.high && one.low === other.low;
}

export function addressAt(space: KernelSpace, at: PhysicalAddress): KernelAddress {
  return { high: space.pages.u32(at + 4), low: space.pages.u32(at) };
}

/** `bytes` may be negative; small against 2^32. */
export function plus(address: KernelAddress, bytes: number): KernelAddress {
  const low = address.low + bytes;
  const carry = Math.floor(low / 0x1_0000_0000);
  return { high: (address.high + carry) % 0x1_0000_0000, low: low - carry * 0x1_0000_0000 };
}

/** Bytes from `_text`; null for what is not code of the kernel's own image. */
export function codeOffset(space: KernelSpace, address: KernelAddress): number | null {
  const offset = address.low - space.image.textLow;
  if (address.high !== 0xffff_ffff || offset < 0) return null;
  const inCode = ({ offset: from, sizeBytes, executable }: KernelSpace['image']['runs'][number]): boolean =>
    executable && offset >= from && offset < from + sizeBytes;
  return space.image.runs.some(inCode) ? offset : null;
}

/** The objects in linear memory that general registers point to, each once: which register holds what, every compiler decides anew. */
export function objectsHeld(space: KernelSpace, registers: Registers): readonly PhysicalAddress[] {
  const found: PhysicalAddress[] = [];
  for (const name of registerNames) {
    const low = registers.low(name);
    const object = name === 'rip' || low % 8 !== 0 ? nowhere : space.linear(registers.high(name), low);
    if (object !== nowhere && !found.includes(object)) found.push(object);
  }
  return found;
}
