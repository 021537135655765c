// A program that is about to be started: what the kernel has put together of it before it looks at its format. The file is open and its
// arguments are copied, so neither can be changed any more by whoever asked for it.
import { filePath } from '../../guest/file-path.ts';
import { readUser } from '../../guest/task-details.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { KernelProfile } from '../../kernel/kernel-profile.ts';
import type { StoppedCpu } from '../hook.ts';
import { objectsHeld } from './kernel-address.ts';

const argumentBytesMax = 128 * 1024;
const argumentsMax = 4096;
const userAddressEnd = 2 ** 47;
const userAddressEndLa57 = 2 ** 56;

export interface ProgramOffsets {
  readonly mm: number;
  readonly file: number;
  readonly p: number;
  readonly argc: number;
  readonly filename: number;
  readonly buf: number;
  readonly memoryId: number;
}

/** Null when this kernel does not say how it keeps a new program. */
export function programOffsets({ fields }: KernelProfile): ProgramOffsets | null {
  const mm = fields['linux_binprm.mm'];
  const file = fields['linux_binprm.file'];
  const p = fields['linux_binprm.p'];
  const argc = fields['linux_binprm.argc'];
  const filename = fields['linux_binprm.filename'];
  const buf = fields['linux_binprm.buf'];
  const memoryId = fields['mm_struct.context.ctx_id'];
  if (mm === undefined || file === undefined || p === undefined || argc === undefined) return null;
  if (filename === undefined || buf === undefined || memoryId === undefined) return null;
  return { mm, file, p, argc, filename, buf, memoryId };
}

export interface NewProgram {
  readonly binprm: PhysicalAddress;
  /** Of the file the kernel would load now: the script, and at the next look its interpreter. */
  readonly path: string;
  readonly argv: readonly string[] | null;
  /** Never given to another address space until the guest boots anew: names this attempt, and later the process it became. */
  readonly memoryId: number;
  readonly file: PhysicalAddress;
  /** Its first bytes name the program that is to read it. */
  readonly isScript: boolean;
}

/** The program that one of the CPU's registers leads to; null when none does. */
export function findNewProgram(space: KernelSpace, offsets: ProgramOffsets, cpu: StoppedCpu): NewProgram | null {
  for (const object of objectsHeld(space, cpu.registers)) {
    const program = readNewProgram(space, offsets, object);
    if (program !== null) return program;
  }
  return null;
}

/** Null when this is no record of a new program: everything it must lead to is looked at. */
export function readNewProgram(
  space: KernelSpace,
  offsets: ProgramOffsets,
  binprm: PhysicalAddress,
): NewProgram | null {
  const { pages, profile } = space;
  const mm = space.maybePointer(binprm + offsets.mm);
  const file = space.maybePointer(binprm + offsets.file);
  if (mm === nowhere || file === nowhere || space.maybePointer(binprm + offsets.filename) === nowhere) return null;
  const start = pages.u64(binprm + offsets.p);
  if (start === 0 || start >= (space.root.la57 ? userAddressEndLa57 : userAddressEnd)) return null;
  const tables = space.maybePointer(mm + profile.fields['mm_struct.pgd']);
  const memoryId = pages.u64(mm + offsets.memoryId);
  if (tables === nowhere || memoryId === 0) return null;
  const path = filePath(space, file);
  if (path === null) return null;
  const argv = readArguments(space, tables, start, pages.u32(binprm + offsets.argc));
  const isScript = pages.u8(binprm + offsets.buf) === 0x23 && pages.u8(binprm + offsets.buf + 1) === 0x21;
  return { binprm, path, argv, memoryId, file, isScript };
}

/** The strings lie one behind the other at the top of the new stack, environment after arguments. */
function readArguments(
  space: KernelSpace,
  tables: PhysicalAddress,
  start: number,
  count: number,
): readonly string[] | null {
  if (count > 0x7fff_ffff) return null;
  const args: string[] = [];
  for (let length = 1024; ; length = argumentBytesMax) {
    const { bytes } = readUser(space, tables, start, length);
    args.length = 0;
    let from = 0;
    while (args.length < Math.min(count, argumentsMax)) {
      const nul = bytes.indexOf(0, from);
      if (nul < 0) break;
      args.push(bytes.toString('utf8', from, nul));
      from = nul + 1;
    }
    if (args.length === Math.min(count, argumentsMax) || length === argumentBytesMax) return args;
  }
}
