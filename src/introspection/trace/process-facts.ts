// Who did it: the process behind a task, put together once per program image and remembered. A parent, a shell say, is asked
// for at each of its children's starts and does not change.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { filePath } from '../guest/file-path.ts';
import { readArguments, readCgroup } from '../guest/task-details.ts';
import { isKernelThread, readTaskFacts, taskOffsets } from '../guest/task-facts.ts';
import type { TaskFacts, TaskOffsets } from '../guest/task-facts.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { TracedEvent } from './trace-event.ts';

/** What an event says of the process. */
export type ProcessFacts = Pick<
  TracedEvent,
  | 'pid'
  | 'tgid'
  | 'ppid'
  | 'uid'
  | 'euid'
  | 'comm'
  | 'exe'
  | 'argv'
  | 'parentExe'
  | 'parentArgv'
  | 'ancestors'
  | 'image'
  | 'startedAfterBootUs'
  | 'cgroup'
>;

export interface Actor {
  readonly facts: ProcessFacts;
  /** Names the process for as long as the guest runs: its id and start. */
  readonly process: string;
  readonly task: PhysicalAddress;
  readonly leader: PhysicalAddress;
}

/** What is fixed as long as one program image runs. */
interface Image {
  readonly exe: string | null;
  readonly argv: readonly string[] | null;
}

/** A program image with what it descends from, as long as it has this parent. */
interface Line {
  readonly parentId: string | null;
  readonly parent: Image | null;
  readonly paths: readonly string[];
}

/** Null when they cannot be read. */
type ReadArguments = (mm: PhysicalAddress) => readonly string[] | null;

const imagesMax = 4096;
const ancestorsMax = 16;
const commBytes = 16;
/** Its end was asked for: EXIT_DEAD in include/linux/sched.h. */
const waitedFor = 0x10;
const unknown: Image = { exe: null, argv: null };

export class ProcessReader {
  readonly #space: KernelSpace;
  readonly #offsets: TaskOffsets;
  readonly #leaderAt: number | undefined;
  readonly #images = new RecentMap<string, Image>(imagesMax);
  readonly #lines = new RecentMap<string, Line>(imagesMax);
  readonly #cgroups = new RecentMap<PhysicalAddress, string | null>(imagesMax);

  readonly #readArguments: ReadArguments;

  constructor(space: KernelSpace) {
    this.#space = space;
    this.#readArguments = (mm) => readArguments(space, mm);
    this.#offsets = taskOffsets(space.profile);
    this.#leaderAt = space.profile.fields['task_struct.group_leader'];
  }

  /** Null when what lies at `task` cannot be a task; nothing of it is to be believed then. */
  read(task: PhysicalAddress): Actor | null {
    return this.#read(task, null);
  }

  /**
   * The same for a task whose program has just been replaced: what was remembered of it is read anew. `argumentsOf` reads them from the
   * memory of a program that is not complete yet.
   */
  readAnew(task: PhysicalAddress, argumentsOf: ReadArguments = this.#readArguments): Actor | null {
    return this.#read(task, argumentsOf);
  }

  /** The same for a process that has just been forked: it still runs its maker's program. */
  readChild(task: PhysicalAddress, maker: Actor): Actor | null {
    return this.#read(task, this.#images.get(maker.facts.image) ?? null);
  }

  /** Whether any thread of it still runs, as the pages say that are read just now: its record may have been given to another, or lie there with nobody having asked for its end. */
  lives({ process, leader }: Pick<Actor, 'process' | 'leader'>): boolean {
    const facts = readTaskFacts(this.#space, this.#offsets, leader);
    if (processId(facts) !== process || hasEnded(this.#space, facts)) return false;
    // What its record still says of its threads may be another process's by then.
    return this.#space.pages.u32(leader + this.#offsets.exitState) !== waitedFor;
  }

  /** Control groups are kept by address, which is reused: called now and then, to look again. */
  refresh(): void {
    this.#cgroups.clear();
  }

  /** Another past was loaded: names that were given may be given again. */
  forget(): void {
    this.#images.clear();
    this.#lines.clear();
    this.#cgroups.clear();
  }

  #read(task: PhysicalAddress, image: Image | ReadArguments | null): Actor | null {
    if (task === nowhere) return null;
    const space = this.#space;
    const own = readTaskFacts(space, this.#offsets, task);
    const leader = this.#leaderOf(own);
    const process = leader === task ? own : readTaskFacts(space, this.#offsets, leader);
    if (own.cred === nowhere || process.pid !== own.tgid || process.tgid !== own.tgid) return null;
    const id = imageId(process);
    const isNew = typeof image === 'function';
    if (isNew) this.#images.delete(id);
    else if (image !== null) this.#images.set(id, image);
    const { exe, argv } = this.#imageOf(id, own.mm === nowhere ? process : own, isNew ? image : this.#readArguments);
    const line = this.#lineOf(id, process, 0);
    return {
      task,
      leader,
      process: processId(process),
      facts: {
        pid: own.pid,
        tgid: own.tgid,
        ppid: process.parentTgid,
        uid: own.uid,
        euid: own.euid,
        comm: space.pages.text(task + this.#offsets.comm, commBytes),
        exe,
        argv,
        parentExe: line.parent?.exe ?? null,
        parentArgv: line.parent?.argv ?? null,
        ancestors: line.paths,
        image: id,
        startedAfterBootUs: startedUs(process),
        cgroup: this.#cgroupOf(own.cgroups),
      },
    };
  }

  #leaderOf({ task, pid, tgid }: Pick<TaskFacts, 'task' | 'pid' | 'tgid'>): PhysicalAddress {
    if (pid === tgid || this.#leaderAt === undefined) return task;
    const leader = this.#space.pointer(task + this.#leaderAt);
    return leader === nowhere ? task : leader;
  }

  #imageOf(id: string, facts: TaskFacts, argumentsOf: ReadArguments = this.#readArguments): Image {
    const known = this.#images.get(id);
    if (known !== undefined || facts.mm === nowhere || isKernelThread(facts)) return known ?? unknown;
    const file = this.#space.pointer(facts.mm + this.#space.profile.fields['mm_struct.exe_file']);
    const image = {
      exe: file === nowhere ? null : filePath(this.#space, file),
      argv: argumentsOf(facts.mm),
    };
    if (image.exe !== null && image.argv !== null) this.#images.set(id, image);
    return image;
  }

  /** Each generation is remembered with the parent it was seen to have: only the nearest one has to be looked at again. */
  #lineOf(id: string, process: TaskFacts, depth: number): Line {
    const none: Line = { parentId: null, parent: null, paths: [] };
    const leader = this.#parentOf(process);
    if (leader === nowhere || depth >= ancestorsMax) return none;
    const parentId = this.#imageIdAt(leader);
    const known = this.#lines.get(id);
    if (known?.parentId === parentId) return known;
    const above = readTaskFacts(this.#space, this.#offsets, leader);
    const parent = this.#imageOf(parentId, above);
    const further = this.#lineOf(parentId, above, depth + 1).paths;
    const paths = parent.exe === null ? further : [parent.exe, ...further];
    const line = { parentId, parent, paths: paths.slice(0, ancestorsMax) };
    this.#lines.set(id, line);
    return line;
  }

  /** The parent's first thread; `nowhere` for the first process of all. */
  #parentOf(process: TaskFacts): PhysicalAddress {
    const { pages } = this.#space;
    const task = this.#space.pointer(process.task + this.#offsets.realParent);
    if (task === nowhere || task === process.task) return nowhere;
    const pid = pages.u32(task + this.#offsets.pid);
    return pid === 0 ? nowhere : this.#leaderOf({ task, pid, tgid: pages.u32(task + this.#offsets.tgid) });
  }

  /** Without the rest of its facts, which lie on pages of their own: asked at every stop. */
  #imageIdAt(task: PhysicalAddress): string {
    const { pages } = this.#space;
    const { pid, start, execGeneration } = this.#offsets;
    return imageId({
      pid: pages.u32(task + pid),
      startHigh: pages.u32(task + start + 4),
      startLow: pages.u32(task + start),
      execGeneration: pages.u32(task + execGeneration),
    });
  }

  #cgroupOf(cgroups: PhysicalAddress): string | null {
    const known = this.#cgroups.get(cgroups);
    if (known !== undefined) return known;
    const path = readCgroup(this.#space, cgroups);
    this.#cgroups.set(cgroups, path);
    return path;
  }
}

/** A process has ended when the last of its threads has; without the counter, when its first one does. */
export function hasEnded(space: KernelSpace, { task, exiting }: Pick<TaskFacts, 'task' | 'exiting'>): boolean {
  const live = space.profile.fields['signal_struct.live'];
  if (live === undefined) return exiting;
  const signal = space.pointer(task + space.profile.fields['task_struct.signal']);
  return signal !== nowhere && space.pages.u32(signal + live) === 0;
}

/** Nanoseconds that a double cannot hold exactly, 2^32 of them being 4 294 967 296; exact for longer than any guest runs. */
function startedUs({ startHigh, startLow }: Pick<TaskFacts, 'startHigh' | 'startLow'>): number {
  return startHigh * 4_294_967 + Math.floor((startHigh * 296 + startLow) / 1000);
}

function imageId(facts: Pick<TaskFacts, 'pid' | 'startHigh' | 'startLow' | 'execGeneration'>): string {
  return `${facts.pid}.${startedUs(facts)}.${facts.execGeneration}`;
}

function processId(facts: TaskFacts): string {
  return `${facts.pid}.${facts.startHigh}.${facts.startLow}`;
}
