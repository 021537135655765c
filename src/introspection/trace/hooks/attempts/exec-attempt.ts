// A program about to be started, whatever its format: every execve, and every interpreter that a script or a registered format calls for,
// passes the kernel's list of formats with its file open and its arguments copied, before anything that cannot be undone.
//
// Refused by overwriting the start of the file that the kernel has read with `#!/\n`: the script loader then finds a directory where the
// interpreter should be, and the call fails with EACCES as that of any program one may not run. A format that is found by the file's name
// (binfmt_misc) or code not foreseen might run it all the same: what was refused is remembered by its address space, and ended
// when it is met as a running program.
// Source: fs/exec.c, search_binary_handler and load_script in Linux, 5.10 to 7.x.
import { RecentMap } from '../../../../kit/recent-map.ts';
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { Hook, Refusal, Sighting, StopPoint, StoppedCpu, StoppedGuest } from '../../hook.ts';
import { fieldOf, inImage, objectIn } from '../../kernel-code.ts';
import { returnError } from '../../refuse/emulated-return.ts';
import { forceKill } from '../../refuse/forced-kill.ts';
import { readsVariable, surroundings } from '../../refuse/load-instruction.ts';
import { findNewProgram, programOffsets, readNewProgram } from '../../refuse/new-program.ts';
import type { NewProgram, ProgramOffsets } from '../../refuse/new-program.ts';
import { plainEvent } from '../hook-context.ts';
import { lifePoint } from '../process-life.ts';
import { programStartPoint } from '../started-program.ts';
import { actorBehind } from './attempt-context.ts';
import type { AttemptContext } from './attempt-context.ts';

/** Names the root directory as interpreter. */
const directoryAsInterpreter = Buffer.from('#!/\n\0\0\0\0');
const permissionDenied = 13;
/** What is refused is met again at once or never. */
const rememberedMax = 4096;

/** Null when this kernel does not show programs before they start. */
export function execAttemptHook(context: AttemptContext): Hook | null {
  const { space, technique } = context;
  const offsets = programOffsets(space.profile);
  const place = technique === 'code' ? codePlace(context) : dataPlace(context);
  if (offsets === null || place === null) return null;
  const refused = new RecentMap<number, true>(rememberedMax);
  return {
    name: 'exec-attempt',
    points: place.points,
    recognise(guest, cpu) {
      endSlipped(context, offsets, refused, guest, cpu);
      const program = place.programAt(offsets, cpu);
      if (program === null || program === 'unreadable') return program === null ? null : 'nothing';
      const actor = actorBehind(context, cpu.current);
      if (actor === null) {
        context.onDoubt('the process that starts a program could not be read');
        return 'nothing';
      }
      const block = (): boolean => {
        refused.set(program.memoryId, true);
        return place.block(guest, cpu, offsets, program);
      };
      // Told late of it once more, or come to the interpreter of what was refused: the answer stands.
      if (refused.has(program.memoryId)) {
        block();
        return 'nothing';
      }
      const interpreted = isScript(guest, offsets, program);
      return { ...sighted(context, guest, cpu, program, { actor, block }), ...(interpreted ? { interpreted } : {}) };
    },
  };
}

/** How one technique sees a program and makes its start fail. */
interface Place {
  readonly points: readonly StopPoint[];
  programAt(offsets: ProgramOffsets, cpu: StoppedCpu): NewProgram | 'unreadable' | null;
  block(guest: StoppedGuest, cpu: StoppedCpu, offsets: ProgramOffsets, program: NewProgram): boolean;
}

function dataPlace(context: AttemptContext): Place | null {
  const { space, onDoubt } = context;
  const formats = fieldOf(space, 'formats', null);
  if (formats === null) return null;
  const points: StopPoint[] = [{ on: 'data', at: formats.address, sizeBytes: 8, access: 'any' }];
  // Met when a program has been started: what was refused and runs all the same is caught there before its first instruction.
  const started = programStartPoint(context) ?? lifePoint(space);
  if (started !== null) points.push(started);
  return {
    points,
    programAt(offsets, cpu) {
      const places = surroundings(space, cpu.registers);
      if (!places.some((place) => readsVariable(place, formats.address))) return null;
      const program = findNewProgram(space, offsets, cpu);
      if (program === null) onDoubt('a program about to be started could not be read');
      return program ?? 'unreadable';
    },
    block: (guest, _cpu, offsets, { binprm }) => guest.write(binprm + offsets.buf, directoryAsInterpreter),
  };
}

function codePlace({ space, onDoubt }: AttemptContext): Place | null {
  const check = space.profile.symbols.security_bprm_check;
  if (check === undefined) return null;
  const at = inImage(space, check);
  return {
    points: [{ on: 'code', at }],
    programAt(offsets, { registers }) {
      if (registers.low('rip') !== at.low || registers.high('rip') !== at.high) return null;
      const binprm = objectIn(space, registers, 'rdi');
      const program = binprm === nowhere ? null : readNewProgram(space, offsets, binprm);
      if (program === null) onDoubt('a program about to be started could not be read');
      return program ?? 'unreadable';
    },
    block: (guest, cpu) => returnError(guest, cpu, permissionDenied),
  };
}

/** Its first two bytes as the kernel has read them (fs/binfmt_script.c). */
function isScript({ space }: StoppedGuest, { buf }: ProgramOffsets, { binprm }: NewProgram): boolean {
  return space.pages.u32(binprm + buf) % 0x1_00_00 === 0x21_23;
}

function endSlipped(
  { space, kill, onSlip }: AttemptContext,
  { memoryId }: ProgramOffsets,
  refused: RecentMap<number, true>,
  guest: StoppedGuest,
  cpu: StoppedCpu,
): void {
  if (refused.size === 0 || cpu.current === nowhere) return;
  const mm = space.maybePointer(cpu.current + space.profile.fields['task_struct.mm']);
  if (mm === nowhere) return;
  const id = space.pages.u64(mm + memoryId);
  if (refused.get(id) === undefined) return;
  const killed = kill !== null && forceKill(guest, kill, cpu.current);
  refused.delete(id);
  onSlip(killed);
}

function sighted(
  { kill }: AttemptContext,
  guest: StoppedGuest,
  cpu: StoppedCpu,
  program: NewProgram,
  { actor, block }: { readonly actor: NonNullable<ReturnType<typeof actorBehind>>; readonly block: () => boolean },
): Sighting {
  const refusal: Refusal = {
    block,
    kill() {
      block();
      return kill !== null && forceKill(guest, kill, cpu.current);
    },
  };
  const event = { ...plainEvent('exec', actor), exe: program.path, argv: program.argv };
  return {
    // The file tells the script from its interpreter, which are asked about one after the other.
    key: `exec attempt ${actor.process} ${program.memoryId} ${program.file}`,
    ...(program.isScript ? { interpreted: true } : {}),
    eventFollows: true,
    event,
    actor,
    refusal,
  };
}
