// All processes of a guest, remembering the last sweep: an unchanged task costs a dozen field reads and is the same object
// again. Only a new program image has its paths and arguments read, through a space of its own that is forgotten at once.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { TaskView } from './guest-view.ts';
import { Ledger } from './ledger.ts';
import type { HolderOfFiles } from './open-sockets.ts';
import { noDetails, readTaskDetails, sameDetails } from './task-details.ts';
import type { TaskDetails } from './task-details.ts';
import {
  isForkedNotExeced,
  isSameProcess,
  isKernelThread,
  livingFacts,
  readTaskFacts,
  sameFacts,
  sameImage,
  taskOffsets,
  transienceOf,
} from './task-facts.ts';
import type { TaskFacts, TaskOffsets } from './task-facts.ts';
import { endedMeanwhile, isListed, listTasks, tasksMax } from './task-list.ts';
import { ThreadList } from './thread-list.ts';
import type { Transience } from './guest-view.ts';

interface Known {
  readonly facts: TaskFacts;
  readonly view: TaskView;
  /** Whether exe, arguments and the rest were read for this program image. */
  readonly described: boolean;
  /** Characters of text that describing it took to keep. */
  readonly textLength: number;
}

export interface TaskSweepOptions {
  readonly light: boolean;
  readonly threads: boolean;
  /** Milliseconds since the epoch when the guest booted. */
  readonly bootedMs: number;
  /** Whether the sweep has taken so long that what is new can wait for the next one. */
  readonly isLate: () => boolean;
}

export interface TaskSweepResult {
  readonly views: readonly TaskView[];
  readonly processes: readonly HolderOfFiles[];
}

/** Each description is checked against the guest again once in so many sweeps: programs do rewrite their arguments. */
const refreshPeriodMin = 16;
const refreshesPerSweep = 32;
/** All descriptions together: a guest could give each of its processes 128 KiB of arguments, all of them the same bytes. */
const textMax = 32 * 1024 * 1024;
const microsecond = 1000n;
const transientNotes = { exit: 'processes on their way out', exec: 'processes in the middle of an exec' } as const;

export class TaskSweep {
  readonly #space: KernelSpace;
  /** For reading details: small, and emptied at each sweep. */
  readonly #details: KernelSpace;
  readonly #offsets: TaskOffsets;
  #known = new Map<PhysicalAddress, Known>();
  #threads = new ThreadList(new Ledger());
  #isLate = (): boolean => false;
  #textLeft = textMax;
  #bootedMs = 0;
  #sweep = 0;

  constructor(space: KernelSpace, details: KernelSpace) {
    this.#space = space;
    this.#details = details;
    this.#offsets = taskOffsets(space.profile);
  }

  take(options: TaskSweepOptions, ledger: Ledger): TaskSweepResult {
    // Start times are shown by the guest's clock: when that was set, every view is made anew.
    if (options.bootedMs !== this.#bootedMs) this.#known.clear();
    this.#bootedMs = options.bootedMs;
    this.#sweep += 1;
    this.#threads = new ThreadList(ledger);
    this.#isLate = options.isLate;
    this.#textLeft = textMax;
    for (const { textLength } of this.#known.values()) this.#textLeft -= textLength;
    const now = new Map<PhysicalAddress, Known>();
    const views: TaskView[] = [];
    const processes: HolderOfFiles[] = [];
    const leaders = listTasks(this.#space, ledger);
    const period = Math.max(refreshPeriodMin, Math.ceil(leaders.length / refreshesPerSweep));
    for (const [index, task] of leaders.entries()) {
      const refresh = index % period === this.#sweep % period;
      const known = this.#look(task, true, options.light, refresh, ledger);
      if (known === null || now.has(task)) continue;
      now.set(task, known);
      views.push(known.view);
      if (known.facts.files !== nowhere) processes.push({ pid: known.facts.tgid, files: known.facts.files });
      if (options.threads) this.#addThreads(task, options.light, now, views, ledger);
    }
    this.#known = now;
    return { views, processes };
  }

  #addThreads(
    leader: PhysicalAddress,
    light: boolean,
    now: Map<PhysicalAddress, Known>,
    views: TaskView[],
    ledger: Ledger,
  ): void {
    for (const thread of this.#threads.of(this.#space, leader)) {
      if (now.has(thread)) continue;
      if (now.size >= tasksMax) {
        ledger.note('bounded', `more than ${tasksMax} threads`);
        return;
      }
      const known = this.#look(thread, false, light, false, ledger);
      if (known === null) continue;
      now.set(thread, known);
      views.push(known.view);
    }
  }

  #look(task: PhysicalAddress, leader: boolean, light: boolean, refresh: boolean, ledger: Ledger): Known | null {
    const { pages, strays } = this.#space;
    const { faults } = pages;
    const facts = this.#facts(this.#space, task, leader);
    if (pages.faults !== faults || facts.pid === 0 || facts.cred === nowhere) {
      if (!leader || isListed(this.#space, task)) ledger.note('unreadable', 'a process record that could not be read');
      else {
        ledger.note('transient', endedMeanwhile);
        this.#space.forgiveStrays(strays);
      }
      return null;
    }
    const transient = transienceOf(facts);
    if (transient !== null) ledger.note('transient', transientNotes[transient]);
    const before = this.#known.get(task);
    if (before !== undefined && sameFacts(before.facts, facts) && (before.described || light || transient !== null)) {
      return refresh && before.described && transient === null ? this.#checkAgain(before, facts, leader) : before;
    }
    return light
      ? this.#undescribed(facts, transient, before)
      : this.#describe(facts, leader, transient, before, ledger);
  }

  /**
   * Half-way through an exec or an exit, what hangs below a task is being replaced or torn down: only what was read
   * before, of the same image, can be shown.
   */
  #undescribed(facts: TaskFacts, transient: Transience | null, before: Known | undefined): Known {
    const kept = before?.described === true && sameImage(before.facts, facts);
    const view = this.#view(facts, transient, kept ? before.view : noDetails);
    return { facts, view, described: kept, textLength: kept ? before.textLength : 0 };
  }

  #describe(
    facts: TaskFacts,
    leader: boolean,
    transient: Transience | null,
    before: Known | undefined,
    ledger: Ledger,
  ): Known {
    if (transient !== null) return this.#undescribed(facts, transient, before);
    if (this.#textLeft <= 0 || this.#isLate()) {
      ledger.note('bounded', 'new processes left to be described by a later sweep');
      return this.#undescribed(facts, null, before);
    }
    const read = this.#readStable(facts, leader);
    if (read.details === null) {
      const why = transienceOf(read.facts) ?? (isSameProcess(read.facts, facts) ? 'torn' : 'exit');
      if (why === 'torn') ledger.note('torn', 'processes that changed while they were read');
      else ledger.note('transient', transientNotes[why]);
      return { ...this.#undescribed(facts, why, before), described: false };
    }
    if (!isKernelThread(read.facts) && read.facts.mm !== nowhere && read.details.exe === null) {
      ledger.note('unreadable', 'processes whose executable could not be read');
    }
    return this.#described(read.facts, read.details);
  }

  #described(facts: TaskFacts, details: TaskDetails): Known {
    const textLength = textOf(details);
    this.#textLeft -= textLength;
    return { facts, view: this.#view(facts, null, details), described: true, textLength };
  }

  #checkAgain(before: Known, facts: TaskFacts, leader: boolean): Known {
    const { details } = this.#readStable(facts, leader);
    if (details === null || sameDetails(before.view, details)) return before;
    // What became unreadable (swapped out) is remembered rather than lost.
    const merged = { ...details, exe: details.exe ?? before.view.exe, argv: details.argv ?? before.view.argv };
    return this.#described(facts, merged);
  }

  /**
   * Details read between two equal readings of the task itself, with those facts. No details when it is on its way into
   * another program or out, or changed every time: the facts are then the latest.
   */
  #readStable(first: TaskFacts, leader: boolean): { readonly facts: TaskFacts; readonly details: TaskDetails | null } {
    const { pages, strays } = this.#details;
    let facts = first;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { faults } = pages;
      const details = readTaskDetails(this.#details, isKernelThread(facts) ? { ...facts, mm: nowhere } : facts);
      pages.refresh(facts.task + this.#offsets.pid);
      pages.refresh(facts.task + this.#offsets.execGeneration);
      const again = this.#facts(this.#details, facts.task, leader);
      if (sameFacts(again, facts) && pages.faults === faults) return { facts, details };
      // What was followed from a task that changed meanwhile led wherever it led.
      this.#details.forgiveStrays(strays);
      facts = again;
      pages.forget();
      if (transienceOf(again) !== null || !isSameProcess(again, first)) break;
    }
    return { facts, details: null };
  }

  #facts(space: KernelSpace, task: PhysicalAddress, leader: boolean): TaskFacts {
    const facts = readTaskFacts(space, this.#offsets, task);
    return facts.exiting && leader ? livingFacts(space, this.#offsets, facts, this.#threads) : facts;
  }

  #view(facts: TaskFacts, transient: Transience | null, details: TaskDetails): TaskView {
    const startedNs = (BigInt(facts.startHigh) << 32n) | BigInt(facts.startLow);
    const startedAfterBootUs = Number(startedNs / microsecond);
    return {
      id: `${facts.pid}.${startedAfterBootUs}.${facts.execGeneration}`,
      pid: facts.pid,
      tgid: facts.tgid,
      ppid: facts.parentTgid,
      uid: facts.uid,
      euid: facts.euid,
      comm: commOf(facts),
      kernelThread: isKernelThread(facts),
      startedAfterBootUs,
      startedMs: Math.round(this.#bootedMs + startedAfterBootUs / 1000),
      execGeneration: facts.execGeneration,
      forkedNotExeced: isForkedNotExeced(facts),
      transient,
      exe: details.exe,
      argv: details.argv,
      cgroup: details.cgroup,
      namespaces: details.namespaces,
    };
  }
}

function textOf({ exe, argv, cgroup }: TaskDetails): number {
  const args = argv?.reduce((length, arg) => length + arg.length, 0) ?? 0;
  return args + (exe?.length ?? 0) + (cgroup?.length ?? 0);
}

const commBytes = Buffer.alloc(16);

function commOf(facts: TaskFacts): string {
  commBytes.writeUInt32LE(facts.comm0, 0);
  commBytes.writeUInt32LE(facts.comm1, 4);
  commBytes.writeUInt32LE(facts.comm2, 8);
  commBytes.writeUInt32LE(facts.comm3, 12);
  const nul = commBytes.indexOf(0);
  return commBytes.toString('utf8', 0, nul < 0 ? 16 : nul);
}
