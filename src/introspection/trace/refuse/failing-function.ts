// A function of the kernel's own that does nothing but fail: calls that are refused are sent there. Found by its code, not trusted by
// its name.
import type { OptionalSymbolName } from '../../kernel/kernel-profile.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { KernelAddress } from '../hook.ts';
import { inImage } from '../kernel-code.ts';
import { codeOffset } from './kernel-address.ts';

export interface FailingFunction {
  readonly at: KernelAddress;
  /** As Linux numbers errors: 1 EPERM, 95 EOPNOTSUPP. */
  readonly errno: number;
}

/** Functions whose whole body is `return -ERROR`, the error said in the order of preference. */
export type FailingName = Extract<
  OptionalSymbolName,
  'empty_dir_setattr' | 'sock_no_connect' | 'sock_no_listen' | 'sock_no_bind'
>;

const bodyBytes = 24;
/** Marks where a pointer may be called to, on processors that check it (CET IBT). */
const branchTarget = [0xf3, 0x0f, 0x1e, 0xfa];
/** What the function tracer leaves of its hook while it is off; before 5.13 each kind of processor has a filler of its own. */
const tracerOff = [
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x66, 0x66, 0x66, 0x90],
  [0x3e, 0x8d, 0x74, 0x26, 0x00],
  [0x3e, 0x8d, 0x44, 0x20, 0x00],
];

/**
 * Of the functions in `names` the first that may take the place of `usual`, the function called otherwise. A kernel that checks the kind of
 * every function it calls (kCFI) admits only one of the same kind: `sameKind` is then the only choice.
 */
export function findFailingFunction(
  space: KernelSpace,
  usual: KernelAddress,
  sameKind: FailingName,
): FailingFunction | null {
  const checksKind = space.optionalSymbol('__cfi_inet_stream_connect') !== null;
  const marked = startsMarked(space, usual);
  const names: readonly FailingName[] = checksKind ? [sameKind] : ['empty_dir_setattr', sameKind];
  for (const name of names) {
    const offset = space.profile.symbols[name];
    if (offset === undefined) continue;
    const at = inImage(space, offset);
    const errno =
      codeOffset(space, at) === null ? null : failsWith(space.pages.copy(space.image.textPhysical + offset, bodyBytes));
    if (errno !== null && (!marked || startsMarked(space, at))) return { at, errno };
  }
  return null;
}

function startsMarked(space: KernelSpace, at: KernelAddress): boolean {
  const offset = codeOffset(space, at);
  return offset !== null && startsWith(space.pages.copy(space.image.textPhysical + offset, 4), 0, branchTarget);
}

/** The error a function returns when that is all it does; null when it does anything else, or is being traced. */
export function failsWith(code: Uint8Array): number | null {
  let at = startsWith(code, 0, branchTarget) ? branchTarget.length : 0;
  if (tracerOff.some((filler) => startsWith(code, at, filler))) at += 5;
  // mov $imm32, %eax
  if (code[at] !== 0xb8 || at + 6 > code.length) return null;
  const value = new DataView(code.buffer, code.byteOffset, code.byteLength).getInt32(at + 1, true);
  const then = code[at + 5];
  // ret, or a jump to where all returns of this kernel are made.
  const returns = then === 0xc3 || then === 0xe9;
  return returns && value < 0 && value >= -4095 ? -value : null;
}

function startsWith(code: Uint8Array, at: number, bytes: readonly number[]): boolean {
  return bytes.every((byte, index) => code[at + index] === byte);
}
