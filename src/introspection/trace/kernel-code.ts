// Places in the guest kernel's code and data as its CPUs know them: virtual addresses, in halves.
import type { FunctionName, OptionalFieldName, OptionalSymbolName } from '../kernel/kernel-profile.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { RegisterName, Registers } from '../../protocols/gdb/registers.ts';
import type { KernelAddress, StoppedCpu } from './hook.ts';

/** The image is always mapped in the uppermost two gigabytes. */
const imageHigh = 0xffff_ffff;

export function inImage(space: KernelSpace, offset: number): KernelAddress {
  return { high: imageHigh, low: space.image.textLow + offset };
}

/** Null when this kernel lacks the symbol or the field. */
export function fieldOf(
  space: KernelSpace,
  symbol: OptionalSymbolName,
  field: OptionalFieldName | null,
): { readonly address: KernelAddress; readonly physical: PhysicalAddress } | null {
  const start = space.profile.symbols[symbol];
  const within = field === null ? 0 : space.profile.fields[field];
  if (start === undefined || within === undefined) return null;
  const offset = start + within;
  return { address: inImage(space, offset), physical: space.image.textPhysical + offset };
}

/** A stretch of kernel code, low halves of its addresses. */
export interface CodeRange {
  readonly startLow: number;
  readonly endLow: number;
}

export function rangeOf(space: KernelSpace, name: FunctionName): CodeRange | null {
  const code = space.codeOf(name);
  if (code === null) return null;
  return { startLow: space.image.textLow + code.start, endLow: space.image.textLow + code.end };
}

export function isIn(range: CodeRange | null, high: number, low: number): boolean {
  return range !== null && high === imageHigh && low >= range.startLow && low < range.endLow;
}

export function runsIn(range: CodeRange | null, { registers }: StoppedCpu): boolean {
  return isIn(range, registers.high('rip'), registers.low('rip'));
}

/** The instruction it would run next lies somewhere in the kernel's own image. */
export function runsInImage(space: KernelSpace, { registers }: StoppedCpu): boolean {
  const offset = registers.low('rip') - space.image.textLow;
  return registers.high('rip') === imageHigh && offset >= 0 && offset < space.image.sizeBytes;
}

/** The first general register that holds exactly this address; null when none does. */
export function registerWith(registers: Registers, high: number, low: number): RegisterName | null {
  return registers.holding(high, low);
}

/** The object that a register points to, where it lies in linear memory; `nowhere` otherwise. */
export function objectIn(space: KernelSpace, registers: Registers, name: RegisterName): PhysicalAddress {
  return space.linear(registers.high(name), registers.low(name));
}
