// Reads a few machine instructions of the guest's kernel: enough to tell where in a call a stopped CPU stands. Only what compilers make of
// "load a pointer from a structure" is understood; everything else is answered with null, never guessed.
// Source: Intel SDM volume 2, chapter 2 (REX prefix, ModR/M and SIB).
import type { Registers, RegisterName } from '../../../protocols/gdb/registers.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { KernelAddress } from '../hook.ts';
import { addressAt, addressIn, codeOffset, plus, sameAddress } from './kernel-address.ts';

/** The sixteen general registers by their number in an instruction, which is not the order of the gdb protocol. */
export const registersByNumber: readonly RegisterName[] = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];

/** Bytes before the instruction pointer in which the load that was just done is looked for. */
const lookBackBytes = 40;
const instructionBytesMax = 8;

/** `mov displacement(base), destination` on 64 bits. */
export interface Load {
  readonly destination: RegisterName;
  /** Null: relative to the next instruction. */
  readonly base: RegisterName | null;
  readonly displacement: number;
  readonly sizeBytes: number;
}

/** The load instruction that starts at `at` of `bytes`, when there is one. */
export function loadAt(bytes: Uint8Array, at: number): Load | null {
  const rex = bytes[at] ?? 0;
  const modrm = bytes[at + 2] ?? 0;
  // REX with 64-bit operands, and opcode 8B: register from memory. REX.X would mean an index, which no structure access has.
  if ((rex & 0xfa) !== 0x48 || bytes[at + 1] !== 0x8b) return null;
  const mode = modrm >>> 6;
  if (mode === 3) return null;
  const destination = registersByNumber[((modrm >>> 3) & 7) + ((rex & 4) << 1)];
  const low = modrm & 7;
  let next = at + 3;
  if (low === 4) {
    // An SIB byte that names a base and neither index nor scale, as for rsp and r12.
    if ((bytes[next] ?? 0) !== 0x24) return null;
    next += 1;
  }
  const relative = mode === 0 && low === 5;
  const base = relative ? null : (registersByNumber[low + ((rex & 1) << 3)] ?? null);
  const width = relative || mode === 2 ? 4 : mode;
  if (destination === undefined || next + width > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const displacement = width === 4 ? view.getInt32(next, true) : width === 1 ? view.getInt8(next) : 0;
  return { destination, base, displacement, sizeBytes: next + width - at };
}

/** Instructions around a place in the kernel's own code. */
export interface Surroundings {
  readonly bytes: Buffer;
  /** Index in `bytes` of the instruction that is done next. */
  readonly next: number;
  readonly pointer: KernelAddress;
  /** Where the pointer to that instruction is kept; null when it is the CPU's own. */
  readonly keptAt: PhysicalAddress | null;
}

/**
 * Where a CPU stands in the kernel's own code. A stop is told a little late, and in between an interrupt may have come: then the CPU stands
 * at the first instruction of its handler, all registers as they were, and what counts is where it will go on.
 */
export function surroundings(space: KernelSpace, registers: Registers): readonly Surroundings[] {
  const own = around(space, addressIn(registers, 'rip'), null);
  if (own === null) return [];
  const interrupted = interruptedAt(space, registers);
  return interrupted === null ? [own] : [own, interrupted];
}

function around(space: KernelSpace, pointer: KernelAddress, keptAt: PhysicalAddress | null): Surroundings | null {
  const offset = codeOffset(space, pointer);
  if (offset === null || offset < lookBackBytes) return null;
  const from = space.image.textPhysical + offset - lookBackBytes;
  return { bytes: space.pages.copy(from, lookBackBytes + instructionBytesMax), next: lookBackBytes, pointer, keptAt };
}

/** From arch/x86/include/asm/segment.h: what an interrupt of the kernel itself leaves on the stack beside the pointers. */
const kernelCode = 0x10;
const kernelStack = 0x18;

/** What an interrupt puts on the stack: instruction pointer, code segment, flags, stack pointer, stack segment; maybe a number below. */
function interruptedAt(space: KernelSpace, registers: Registers): Surroundings | null {
  const stack = addressIn(registers, 'rsp');
  const word = (index: number): PhysicalAddress => {
    const { high, low } = plus(stack, index * 8);
    return space.anywhere(high, low);
  };
  const holds = (at: PhysicalAddress, value: number): boolean =>
    at !== nowhere && space.pages.u32(at) === value && space.pages.u32(at + 4) === 0;
  if (stack.low % 8 !== 0) return null;
  for (const below of [0, 1]) {
    if (!holds(word(below + 1), kernelCode) || !holds(word(below + 4), kernelStack)) continue;
    const keptAt = word(below);
    return keptAt === nowhere ? null : around(space, addressAt(space, keptAt), keptAt);
  }
  return null;
}

/** The loads that may just have been done, nearest first: instructions cannot be read backwards for sure. */
export function* loadsBefore({ bytes, next }: Surroundings): Generator<Load> {
  for (let at = next - 3; at >= 0; at -= 1) {
    const load = loadAt(bytes, at);
    if (load !== null && at + load.sizeBytes <= next) yield load;
  }
}

/** A load by an address relative to the next instruction, 32 bits of it: opcode 8B, ModR/M with any register, and the distance. */
const relativeLoadBytes = 6;

/** True when the code from shortly before to where the CPU stands loads the image's variable at `variable` by its own address. */
export function readsVariable({ bytes, next, pointer }: Surroundings, variable: KernelAddress): boolean {
  // One that begins where the CPU stands may have a prefix before its opcode.
  const last = Math.min(next + 1, bytes.length - relativeLoadBytes);
  for (let at = 0; at <= last; at += 1) {
    if (bytes[at] !== 0x8b || ((bytes[at + 1] ?? 0) & 0xc7) !== 0x05) continue;
    const end = at + relativeLoadBytes;
    if (sameAddress(plus(pointer, end - next + bytes.readInt32LE(at + 2)), variable)) return true;
  }
  return false;
}
