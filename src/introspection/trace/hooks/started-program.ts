// Programs that have been started, where nothing else of a process's life is watched for: the kernel's loader hands each of them a word on
// what the processor can do, and reads that variable once for each program and never else. Everything is in place by then but the end of
// the arguments; how many there are the kernel's record of the new program still says. 32-bit programs come by it, too.
//
// The variable of `process-life.ts` is read at forks and ends as well: three stops for a short program, where this takes one.
// Source: create_elf_tables (ELF_HWCAP2) in fs/binfmt_elf.c, begin_new_exec and setup_arg_pages in fs/exec.c, Linux 5.10 to 7.x.
import { readArguments, readFirstArguments } from '../../guest/task-details.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { registerNames } from '../../../protocols/gdb/registers.ts';
import type { Hook, StopPoint, StoppedCpu } from '../hook.ts';
import { fieldOf, objectIn } from '../kernel-code.ts';
import { addressIn, plus } from '../refuse/kernel-address.ts';
import { readsVariable, surroundings } from '../refuse/load-instruction.ts';
import { programOffsets } from '../refuse/new-program.ts';
import type { ProgramOffsets } from '../refuse/new-program.ts';
import type { TracedKind } from '../trace-event.ts';
import type { HookContext } from './hook-context.ts';
import { plainEvent } from './hook-context.ts';

/** What is told of a process at the variable of `process-life.ts`. */
const lifeKinds: readonly TracedKind[] = ['fork', 'exit', 'setuid'];
/** How far up the stack the loader's caller has put aside what the loader was called with. */
const stackWords = 192;
/** Linux allows two thousand million; none that starts has so many (MAX_ARG_STRINGS, ARG_MAX). */
const argumentsMax = 0x1_00_00_00;

/** Where program starts alone are met; null where they are better met, or can only be met, with the rest of a process's life. */
export function programStartPoint({ space, technique, kinds }: HookContext): StopPoint | null {
  const variable = fieldOf(space, 'elf_hwcap2', null);
  if (technique === 'code' || variable === null || programOffsets(space.profile) === null) return null;
  if (lifeKinds.some((kind) => kinds.has(kind))) return null;
  return { on: 'data', at: variable.address, sizeBytes: 4, access: 'any' };
}

export function startedProgramHook(context: HookContext): Hook | null {
  const { space, processes } = context;
  const point = programStartPoint(context);
  const offsets = programOffsets(space.profile);
  if (point === null || offsets === null) return null;
  const records = new RecordFinder(space, offsets);
  return {
    name: 'started-program',
    points: [point],
    recognise(_guest, cpu) {
      if (!cpu.registers.inKernel || cpu.current === nowhere) return null;
      if (!surroundings(space, cpu.registers).some((place) => readsVariable(place, point.at))) return null;
      const actor = processes.readAnew(cpu.current, (mm) => argumentsOf(space, records, cpu, mm));
      return actor === null ? null : { key: `exec ${actor.facts.image}`, event: plainEvent('exec', actor) };
    },
  };
}

function argumentsOf(
  space: KernelSpace,
  records: RecordFinder,
  cpu: StoppedCpu,
  mm: PhysicalAddress,
): readonly string[] | null {
  const { fields } = space.profile;
  // A stop is told late, and the loader may have come to the end.
  if (space.pages.u64(mm + fields['mm_struct.arg_end']) > space.pages.u64(mm + fields['mm_struct.arg_start'])) {
    return readArguments(space, mm);
  }
  const count = records.argumentCount(cpu, mm);
  return count === null ? null : readFirstArguments(space, mm, count);
}

/** Finds the kernel's record of the program a CPU is loading: where one compiler keeps it, it keeps it each time. */
class RecordFinder {
  readonly #space: KernelSpace;
  readonly #offsets: ProgramOffsets;
  /** By number: the general registers, then the words of the stack. */
  #lastPlace = 0;

  constructor(space: KernelSpace, offsets: ProgramOffsets) {
    this.#space = space;
    this.#offsets = offsets;
  }

  argumentCount(cpu: StoppedCpu, mm: PhysicalAddress): number | null {
    const known = this.#countAt(cpu, mm, this.#lastPlace);
    if (known !== null) return known;
    for (let place = 0; place < registerNames.length + stackWords; place += 1) {
      const count = this.#countAt(cpu, mm, place);
      if (count === null) continue;
      this.#lastPlace = place;
      return count;
    }
    return null;
  }

  /** Null unless what lies there leads to the record of just this program, whose memory it has been given already. */
  #countAt(cpu: StoppedCpu, mm: PhysicalAddress, place: number): number | null {
    const { pages, profile } = this.#space;
    const record = this.#objectAt(cpu, place);
    if (record === nowhere) return null;
    const file = this.#space.maybePointer(record + this.#offsets.file);
    if (file === nowhere || file !== this.#space.maybePointer(mm + profile.fields['mm_struct.exe_file'])) return null;
    if (pages.u32(record + this.#offsets.mm) !== 0 || pages.u32(record + this.#offsets.mm + 4) !== 0) return null;
    const count = pages.u32(record + this.#offsets.argc);
    return count <= argumentsMax ? count : null;
  }

  #objectAt({ registers }: StoppedCpu, place: number): PhysicalAddress {
    const name = registerNames[place];
    if (name !== undefined) return name === 'rip' ? nowhere : objectIn(this.#space, registers, name);
    const word = plus(addressIn(registers, 'rsp'), 8 * (place - registerNames.length));
    const at = word.low % 8 === 0 ? this.#space.anywhere(word.high, word.low) : nowhere;
    return at === nowhere ? nowhere : this.#space.maybePointer(at);
  }
}
