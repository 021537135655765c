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

const imagesMax = 4096;
const ancestorsMax = 16;
const commBytes = 16;

export class ProcessReader {
  readonly #space: KernelSpace;
  readonly #offsets: TaskOffsets;
  readonly #leaderAt: number | undefined;
  readonly #images = new RecentMap<string, Image>(imagesMax);

  constructor(space: KernelSpace) {
    this.#space = space;
    this.#offsets = taskOffsets(space.profile);
    this.#leaderAt = space.profile.fields['task_struct.group_leader'];
  }

  /** Null when what lies at `task` cannot be a task; nothing of it is to be believed then. */
  read(task: PhysicalAddress): Actor | null {
    if (task === nowhere) return null;
    const space = this.#space;
    const own = readTaskFacts(space, this.#offsets, task);
    const leader = this.#leaderOf(own);
    const process = leader === task ? own : readTaskFacts(space, this.#offsets, leader);
    if (own.cred === nowhere || process.pid !== own.tgid || process.tgid !== own.tgid) return null;
    const image = imageId(process);
    const { exe, argv } = this.#imageOf(image, own.mm === nowhere ? process : own);
    const above = this.#ancestors(process);
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
        parentExe: above.parent?.exe ?? null,
        parentArgv: above.parent?.argv ?? null,
        ancestors: above.paths,
        image,
        startedAfterBootUs: startedUs(process),
        cgroup: readCgroup(space, own.cgroups),
      },
    };
  }

  /** The program image is new, whatever was remembered under its name: read when it is next asked for. */
  renew(leader: PhysicalAddress): void {
    this.#images.delete(imageId(readTaskFacts(this.#space, this.#offsets, leader)));
  }

  /** Another past was loaded: names that were given may be given again. */
  forget(): void {
    this.#images.clear();
  }

  #leaderOf({ task, pid, tgid }: TaskFacts): PhysicalAddress {
    if (pid === tgid || this.#leaderAt === undefined) return task;
    const leader = this.#space.pointer(task + this.#leaderAt);
    return leader === nowhere ? task : leader;
  }

  #imageOf(id: string, facts: TaskFacts): Image {
    const known = this.#images.get(id);
    if (known !== undefined || facts.mm === nowhere || isKernelThread(facts)) return known ?? { exe: null, argv: null };
    const file = this.#space.pointer(facts.mm + this.#space.profile.fields['mm_struct.exe_file']);
    const image = {
      exe: file === nowhere ? null : filePath(this.#space, file),
      argv: readArguments(this.#space, facts.mm),
    };
    if (image.exe !== null) this.#images.set(id, image);
    return image;
  }

  #ancestors(facts: TaskFacts): { readonly parent: Image | null; readonly paths: readonly string[] } {
    const space = this.#space;
    const paths: string[] = [];
    let parent: Image | null = null;
    let at = space.pointer(facts.task + this.#offsets.realParent);
    const seen = new Set<PhysicalAddress>([facts.task]);
    while (at !== nowhere && !seen.has(at) && paths.length < ancestorsMax) {
      seen.add(at);
      const above = readTaskFacts(space, this.#offsets, at);
      if (above.pid === 0) break;
      if (above.pid !== above.tgid && this.#leaderAt !== undefined) {
        at = space.pointer(at + this.#leaderAt);
        continue;
      }
      const image = this.#imageOf(imageId(above), above);
      parent ??= image;
      if (image.exe !== null) paths.push(image.exe);
      at = space.pointer(at + this.#offsets.realParent);
    }
    return { parent, paths };
  }
}

/** Nanoseconds that a double cannot hold exactly are cut down by whole numbers. */
function startedUs({ startHigh, startLow }: TaskFacts): number {
  return Number(((BigInt(startHigh) << 32n) | BigInt(startLow)) / 1000n);
}

function imageId(facts: TaskFacts): string {
  return `${facts.pid}.${startedUs(facts)}.${facts.execGeneration}`;
}

function processId(facts: TaskFacts): string {
  return `${facts.pid}.${facts.startHigh}.${facts.startLow}`;
}
