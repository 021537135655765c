// One try of introspection on broken guest memory: break, attach, sweep, break again, sweep again; and what must hold of the answers
// whatever was broken. A try is named by (seed, number) and always goes the same way.
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { GuestSession } from '../introspection/guest-session.ts';
import type { SocketView, SweepOptions, SweepResult, TaskView } from '../introspection/guest/guest-view.ts';
import type { Result } from '../kit/result.ts';
import { openRecording } from './guest-recording.ts';
import type { GuestRecording } from './guest-recording.ts';
import { breakableOf } from './looked-at.ts';
import { breakableCopy, isDeadEnd, mutate } from './page-mutations.ts';
import type { Breakable, Mutation } from './page-mutations.ts';
import { RecordedMemory } from './page-set.ts';
import { Random } from './random.ts';

export interface TrialGuest {
  readonly recording: GuestRecording;
  readonly breakable: Breakable;
  readonly whole: SweepResult;
}

export interface Trial {
  readonly mutations: readonly Mutation[];
  /** What did not hold; empty when all is well. */
  readonly faults: readonly string[];
  /** Of everything that was answered: the same for the same (seed, number). */
  readonly digest: string;
  readonly attached: boolean;
  /** Reads of guest memory, all steps together. */
  readonly reads: number;
  /** Characters of text in the largest answer. */
  readonly textLength: number;
}

/** Far more than any sweep of these guests takes, far less than the limits a sweep has: 300 pages cannot cost a million reads. */
export const readsPerTrialMax = 60_000;
const textPerSweepMax = 64 * 1024 * 1024;
const tasksMax = 200_000;
const socketsMax = 400_000;

export function trialGuest(recording: GuestRecording, profileDirectory: string): TrialGuest {
  const session = openRecording(recording, profileDirectory);
  const sweep = session.ok ? session.value.sweep({ threads: true }) : session;
  if (!sweep.ok) throw new Error(sweep.error.message);
  return { recording, breakable: breakableOf(recording, profileDirectory), whole: sweep.value };
}

/** The mutations of a try without trying it: those made before attaching. */
export function mutationsOf(guests: readonly TrialGuest[], seed: number, number: number): readonly Mutation[] {
  const { guest, random } = begin(guests, seed, number);
  return breakSome(breakableCopy(guest.breakable), random).mutations;
}

export function tryMutation(
  guests: readonly TrialGuest[],
  seed: number,
  number: number,
  profileDirectory: string,
): Trial {
  const { guest, random } = begin(guests, seed, number);
  const before = breakSome(breakableCopy(guest.breakable), random);
  const threads = random.chance(0.5);
  const memory = new RecordedMemory(before.target.pages);
  const faults: string[] = [];
  const digest = createHash('sha256');
  let textLength = 0;
  const session = openRecording(guest.recording, profileDirectory, memory);
  const take = (one: GuestSession, options: SweepOptions): Result<SweepResult> => {
    const reads = memory.reads;
    const sweep = one.sweep(options);
    if (!sweep.ok) return sweep;
    faults.push(...shapeFaults(sweep.value));
    if (sweep.value.cost.reads < memory.reads - reads) faults.push('a sweep that cost more than it says');
    textLength = Math.max(textLength, textOf(sweep.value));
    return sweep;
  };
  let mutations = before.mutations;
  if (!session.ok) {
    digest.update(session.error.message);
    if (session.error.kind !== 'unreadable') faults.push(`attaching failed as ${session.error.kind}`);
  } else {
    const first = take(session.value, { threads });
    if (first.ok) faults.push(...lossFaults(guest.whole, first.value, threads, mutations));
    // The guest goes on changing under a session that remembers the last sweep.
    const after = breakSome(before.target, random);
    mutations = [...mutations, ...after.mutations];
    memory.become(after.target.pages);
    const answers = [first, take(session.value, { threads }), take(session.value, { light: true })];
    digest.update(JSON.stringify([answers, session.value.modules(), session.value.activity(), session.value.identity]));
    session.value.close();
  }
  if (memory.reads > readsPerTrialMax) faults.push(`${memory.reads} reads`);
  if (textLength > textPerSweepMax) faults.push(`a sweep with ${textLength} characters of text`);
  return {
    mutations,
    faults,
    digest: digest.digest('hex'),
    attached: session.ok,
    reads: memory.reads,
    textLength,
  };
}

function begin(guests: readonly TrialGuest[], seed: number, number: number) {
  const guest = guests[number % guests.length];
  if (guest === undefined) throw new RangeError('no guests to try');
  return { guest, random: new Random(seed ^ Math.imul(number + 1, 0x9e37_79b1)) };
}

function breakSome(
  target: Breakable,
  random: Random,
): { readonly target: Breakable; readonly mutations: readonly Mutation[] } {
  let broken = target;
  const mutations: Mutation[] = [];
  for (let left = random.chance(0.5) ? 1 : random.integer(2, 5); left > 0; left -= 1) {
    const done = mutate(broken, random);
    broken = done.target;
    mutations.push(done.mutation);
  }
  return { target: broken, mutations };
}

/**
 * A guest may lie about itself. But where the only break is a pointer or a page that leads nowhere, what is missing from the
 * sweep must be owned up to: it may not call itself complete.
 */
function lossFaults(
  whole: SweepResult,
  sweep: SweepResult,
  threads: boolean,
  mutations: readonly Mutation[],
): string[] {
  if (!sweep.complete || !mutations.every(({ kind }) => isDeadEnd(kind))) return [];
  const wanted = whole.tasks.filter(({ pid, tgid }) => threads || pid === tgid);
  const seen = new Map(sweep.tasks.map((task) => [task.id, task]));
  const faults = wanted.flatMap((task) => missingOf(task, seen.get(task.id)));
  const sockets = new Set(sweep.sockets.map(socketName));
  for (const socket of whole.sockets) {
    if (!sockets.has(socketName(socket))) faults.push(`complete, but without the socket ${socketName(socket)}`);
  }
  return faults;
}

function missingOf(task: TaskView, seen: TaskView | undefined): string[] {
  if (seen === undefined) return [`complete, but without the process ${task.id}`];
  const keys = ['exe', 'argv', 'cgroup', 'namespaces'] as const;
  return keys
    .filter((key) => task[key] !== null && seen[key] === null && seen.transient === null)
    .map((key) => `complete, but without the ${key} of ${task.id}`);
}

function socketName(socket: SocketView): string {
  const { protocol, localAddress, localPort, remoteAddress, remotePort } = socket;
  return `${protocol} ${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

/** What `guest-view.ts` promises of every answer. */
function shapeFaults({ tasks, sockets, complete, notes }: SweepResult): string[] {
  const faults: string[] = [];
  if (tasks.length > tasksMax || sockets.length > socketsMax) faults.push('more tasks or sockets than there may be');
  if (!complete && notes.length === 0) faults.push('incomplete without a note');
  const task = tasks.find((one) => !isTask(one));
  if (task !== undefined) faults.push(`no task: ${JSON.stringify(task).slice(0, 500)}`);
  const socket = sockets.find((one) => !isSocket(one));
  if (socket !== undefined) faults.push(`no socket: ${JSON.stringify(socket).slice(0, 500)}`);
  if (new Set(tasks).size !== tasks.length) faults.push('a task that is listed twice');
  return faults;
}

function isTask(task: TaskView): boolean {
  const numbers = [task.pid, task.tgid, task.ppid, task.uid, task.euid, task.execGeneration, task.startedMs];
  const texts = [task.comm, task.exe ?? '', task.cgroup ?? '', ...(task.argv ?? [])];
  return (
    task.pid > 0 &&
    [...numbers, task.startedAfterBootUs].every((number) => Number.isInteger(number)) &&
    texts.every((text) => !text.includes('\0')) &&
    task.comm.length <= 16 &&
    (task.exe ?? '').length <= 4200 &&
    (task.argv ?? []).length <= 4096 &&
    Object.values(task.namespaces ?? {}).every((inode) => Number.isInteger(inode))
  );
}

function isSocket(socket: SocketView): boolean {
  const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port < 0x1_0000;
  return (
    isPort(socket.localPort) &&
    isPort(socket.remotePort) &&
    isIP(socket.localAddress) === socket.family &&
    isIP(socket.remoteAddress) === socket.family &&
    Number.isInteger(socket.netNamespace) &&
    socket.holders.length <= 256
  );
}

function textOf({ tasks }: SweepResult): number {
  return tasks.reduce((sum, { exe, argv, cgroup }) => {
    const args = (argv ?? []).reduce((length, arg) => length + arg.length, 0);
    return sum + (exe ?? '').length + (cgroup ?? '').length + args;
  }, 0);
}
