// From successive sweeps of one guest to the programs that started and ended in it. Knows no manifest; reads no clock.
// What is reported is a program image: a fork that still runs its parent's program, a kernel thread and a task caught in
// the middle of an execve are not, and are looked at again.
import { isDeepStrictEqual } from 'node:util';
import { isoTime } from '../../kit/clock.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { SweepResult, TaskView } from '../../introspection/guest/guest-view.ts';
import { isPlausibleTime, type Program, programOf } from './program.ts';

interface Parent {
  readonly exe: string | null;
  readonly argv: readonly string[] | null;
  /** Executables from the parent itself upwards. */
  readonly lineage: readonly string[];
}

/** One process over its life, whatever it executes. */
interface Process {
  view: TaskView;
  program: Program;
  parent: Parent | null;
  /** Executables from the process itself upwards. */
  lineage: readonly string[];
  /** Image id, uid and euid last reported; null before the first report. */
  reported: string | null;
  /** Credentials seen once and not yet reported: a change counts when a second look confirms it. */
  pendingUsers: string | null;
  readonly firstSeenMs: number;
  /** There at the very first look: its start, and the user it started as, were not seen. */
  foundRunning: boolean;
  looks: number;
  /** Looks at this image that could not tell what it runs. */
  looksInTheDark: number;
  /** Sweeps in a row that should have shown it and did not. */
  absent: number;
}

export interface ProcessChanges {
  readonly events: readonly RawEvent[];
  /** Processes never seen before, kernel threads and plain forks included: what explains the guest's fork counter. */
  readonly newTasks: number;
  /** Processes that vanished before anybody could tell what they ran. */
  readonly unidentified: number;
  /** Something is in flux: look again within milliseconds. */
  readonly lookAgain: boolean;
  /** Processes not kept because the table was full. */
  readonly overflow: number;
}

export interface ProcessDifferOptions {
  readonly host: string;
  /** What does not fit is counted and looked at afresh in each sweep. */
  readonly tableMax: number;
}

const ancestorsMax = 64;
/** After so many looks in which a program cannot be read it is reported as unknown. */
const darkLooksMax = 3;
/** A torn or cut-short sweep may leave out a process that lives. */
const absencesMax = 3;
/** A torn look at an exec shows the old program without the mark of a fork; by then the new one is there. */
const twinForMs = 150;
/** A fork that is going to exec does so by then, on a busy host too; no counter of the kernel says when. */
const execExpectedMs = 1000;

export class ProcessDiffer {
  readonly #host: string;
  readonly #tableMax: number;
  readonly #processes = new Map<string, Process>();
  /** Pid to key in #processes; a pid names one process at a time. */
  readonly #byPid = new Map<number, string>();
  #restating = false;
  #hasLooked = false;

  constructor(options: ProcessDifferOptions) {
    this.#host = options.host;
    this.#tableMax = options.tableMax;
  }

  /** The next sweep reports everything that runs again, with the parents it was first seen with. */
  restate(): void {
    this.#restating = true;
  }

  get size(): number {
    return this.#processes.size;
  }

  /** The program a live process runs, as of the last sweep. */
  programOf(pid: number): Program | undefined {
    return this.#ofPid(pid)?.program;
  }

  next(sweep: SweepResult): ProcessChanges {
    const events: RawEvent[] = [];
    const at = isoTime(sweep.takenMs);
    const present = new Set<string>();
    const leaders = sweep.tasks.filter((task) => task.pid === task.tgid);
    let newTasks = 0;
    let overflow = 0;
    // Two passes: a child may stand before its parent in the list, and a lineage needs the parent's.
    const fresh: Process[] = [];
    for (const task of leaders) {
      const key = keyOf(task);
      present.add(key);
      const known = this.#processes.get(key);
      if (known !== undefined) {
        known.looks += 1;
        known.absent = 0;
        if (known.view !== task) this.#update(known, task);
        continue;
      }
      if (this.#processes.size >= this.#tableMax) {
        overflow += 1;
        continue;
      }
      newTasks += 1;
      const process = newProcess(task, sweep.takenMs, !this.#hasLooked);
      this.#processes.set(key, process);
      this.#byPid.set(task.tgid, key);
      fresh.push(process);
    }
    for (const process of oldestFirst(fresh)) this.#adopt(process);

    let lookAgain = false;
    for (const key of present) {
      const process = this.#processes.get(key);
      if (process === undefined) continue;
      const report = this.#report(process, at, sweep.takenMs);
      if (report !== null) events.push(report);
      lookAgain ||= inFlux(process, sweep.takenMs);
    }
    this.#restating = false;
    this.#hasLooked = true;
    const gone = this.#forgetAbsent(present, sweep.complete, at);
    return {
      events: [...events, ...gone.events],
      newTasks,
      unidentified: gone.unidentified,
      lookAgain: lookAgain || gone.waiting,
      overflow,
    };
  }

  #ofPid(pid: number): Process | undefined {
    const key = this.#byPid.get(pid);
    return key === undefined ? undefined : this.#processes.get(key);
  }

  /** Takes over what the parent is while the parent can still be seen; a later orphan keeps it. */
  #adopt(process: Process): void {
    const parent = this.#ofPid(process.view.ppid);
    if (parent !== undefined && parent !== process) process.parent = parentFrom(parent);
    process.lineage = lineageOf(process.program, process.parent);
  }

  #update(process: Process, task: TaskView): void {
    const samePpid = process.view.ppid === task.ppid;
    const execed = process.view.id !== task.id;
    if (execed) {
      process.looksInTheDark = 0;
      process.foundRunning = false;
    }
    process.view = task;
    process.program = programOf(task);
    // Only a parent that still is one may have changed its own program since; after re-parenting the first one counts.
    const parent = execed && samePpid ? this.#ofPid(task.ppid) : undefined;
    if (parent !== undefined && parent !== process) process.parent = parentFrom(parent);
    process.lineage = lineageOf(process.program, process.parent);
  }

  #report(process: Process, at: string, nowMs: number): RawEvent | null {
    const { view, program } = process;
    if (view.kernelThread || view.forkedNotExeced) return null;
    if (program.exe === null || program.argv === null) {
      process.looksInTheDark += 1;
      if (view.transient !== null || process.looksInTheDark < darkLooksMax) return null;
    }
    if (process.reported === null && mayBeHalfWayThroughExec(process, nowMs)) return null;
    const users = `${program.uid} ${program.euid}`;
    const state = `${program.id} ${users}`;
    if (process.reported === state) {
      process.pendingUsers = null;
      return this.#restating ? startEvent(this.#host, at, process) : null;
    }
    const sameImage = process.reported?.startsWith(`${program.id} `) === true;
    if (sameImage && process.pendingUsers !== users) {
      // A daemon on its way from root to its own user passes through states that two sweeps see differently.
      process.pendingUsers = users;
      return null;
    }
    process.pendingUsers = null;
    process.reported = state;
    return startEvent(this.#host, at, process);
  }

  #forgetAbsent(
    present: ReadonlySet<string>,
    complete: boolean,
    at: string,
  ): { events: RawEvent[]; unidentified: number; waiting: boolean } {
    const events: RawEvent[] = [];
    let unidentified = 0;
    let waiting = false;
    for (const [key, process] of this.#processes) {
      if (present.has(key)) continue;
      process.absent += 1;
      if (!complete && process.absent < absencesMax) {
        waiting = true;
        continue;
      }
      this.#processes.delete(key);
      if (this.#byPid.get(process.view.tgid) === key) this.#byPid.delete(process.view.tgid);
      if (process.reported !== null) events.push(exitEvent(this.#host, at, process));
      if (mayHaveRunUnseen(process)) unidentified += 1;
    }
    return { events, unidentified, waiting };
  }
}

/** Pid and start name one process over its life; a reused pid has another start. */
function keyOf(task: TaskView): string {
  return `${task.tgid} ${task.startedAfterBootUs}`;
}

function newProcess(task: TaskView, firstSeenMs: number, foundRunning: boolean): Process {
  const program = programOf(task);
  return {
    view: task,
    program,
    parent: null,
    lineage: [],
    reported: null,
    pendingUsers: null,
    firstSeenMs,
    foundRunning,
    looks: 1,
    looksInTheDark: 0,
    absent: 0,
  };
}

function oldestFirst(processes: readonly Process[]): readonly Process[] {
  return processes.toSorted((a, b) => a.view.startedAfterBootUs - b.view.startedAfterBootUs);
}

function parentFrom(parent: Process): Parent {
  return { exe: parent.program.exe, argv: parent.program.argv, lineage: parent.lineage };
}

function lineageOf(program: Program, parent: Parent | null): readonly string[] {
  const above = parent?.lineage ?? [];
  return program.exe === null ? above : [program.exe, ...above].slice(0, ancestorsMax);
}

function inFlux(process: Process, nowMs: number): boolean {
  const { view, program, reported, pendingUsers, firstSeenMs, looksInTheDark } = process;
  if (view.kernelThread) return false;
  if (view.transient === 'exit') return false;
  if (view.transient !== null || pendingUsers !== null) return true;
  if (view.forkedNotExeced) return nowMs - firstSeenMs < execExpectedMs;
  return reported === null || (program.exe === null && looksInTheDark < darkLooksMax);
}

/** Its parent's very program, only just begun: more often a fork caught in its exec than a program that starts itself. */
function mayBeHalfWayThroughExec({ program, parent, foundRunning, firstSeenMs }: Process, nowMs: number): boolean {
  if (foundRunning || parent === null || nowMs - firstSeenMs >= twinForMs) return false;
  return program.exe === parent.exe && isDeepStrictEqual(program.argv, parent.argv);
}

/**
 * Seen once before its exec, or only in the middle of one, and gone at the next look: it may have run anything. A fork
 * seen exiting, or seen twice without an exec, is taken for what it looked like.
 */
function mayHaveRunUnseen({ view, reported, looks }: Process): boolean {
  if (view.kernelThread) return false;
  if (view.forkedNotExeced) return looks === 1 && view.transient !== 'exit';
  return reported === null || !reported.startsWith(`${view.id} `);
}

function startEvent(host: string, at: string, { view, program, parent, foundRunning }: Process): RawEvent {
  return {
    ts: at,
    host,
    kind: 'process_start',
    evidence: 'outside',
    pid: view.tgid,
    ppid: view.ppid,
    ...(program.exe === null ? {} : { exe: program.exe, deleted: program.deleted }),
    ...(program.argv === null ? {} : { argv: [...program.argv] }),
    comm: view.comm,
    uid: program.uid,
    euid: program.euid,
    ...(isPlausibleTime(view.startedMs) ? { startedAt: isoTime(view.startedMs) } : {}),
    ...(foundRunning ? { alreadyRunning: true } : {}),
    ...(parent === null || parent.exe === null ? {} : { parentExe: parent.exe }),
    ...(parent === null || parent.argv === null ? {} : { parentArgv: [...parent.argv] }),
    ...(parent === null ? {} : { ancestors: [...parent.lineage] }),
  };
}

function exitEvent(host: string, at: string, { view, program }: Process): RawEvent {
  return {
    ts: at,
    host,
    kind: 'process_exit',
    evidence: 'outside',
    pid: view.tgid,
    ...(program.exe === null ? {} : { exe: program.exe }),
  };
}
