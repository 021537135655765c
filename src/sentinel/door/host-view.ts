// What the host-local verbs show of one VM: processes and sockets, in the words of ps and ss.
import { isoTime } from '../../kit/clock.ts';
import type {
  GuestIdentity,
  NamespaceView,
  SocketView,
  SweepNote,
  SweepResult,
  TaskView,
} from '../../introspection/guest/guest-view.ts';
import { isPlausibleTime, programOf } from '../../sensors/introspection/program.ts';

export interface PsTask {
  readonly pid: number;
  readonly tgid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly euid: number;
  readonly comm: string;
  /** Null for kernel threads, and when it could not be read. */
  readonly exe: string | null;
  readonly deleted: boolean;
  readonly argv: readonly string[];
  readonly startedAt: string;
  readonly cgroup: string | null;
  readonly kernelThread: boolean;
  readonly namespaces: NamespaceView | null;
}

export interface PsView {
  /** The VM's name. */
  readonly vm: string;
  /** The kernel's banner: `Linux version ...`. */
  readonly kernel: string;
  readonly buildId: string;
  readonly bootedAt: string;
  readonly sweepMs: number;
  readonly attachMs: number;
  readonly complete: boolean;
  readonly notes: readonly SweepNote[];
  readonly tasks: readonly PsTask[];
}

export interface ShownSocket {
  /** Of the process that has held it for longest; null = nobody has it open. */
  readonly pid: number | null;
  readonly comm: string | null;
  readonly exe: string | null;
  readonly proto: 'tcp' | 'udp';
  readonly family: 4 | 6;
  /** Linux's name; `UNCONN` for an unconnected UDP socket. */
  readonly state: string;
  readonly localAddr: string;
  readonly localPort: number;
  readonly remoteAddr: string;
  readonly remotePort: number;
}

export interface SocketsView {
  readonly vm: string;
  readonly sockets: readonly ShownSocket[];
}

export interface Sighting {
  readonly name: string;
  readonly identity: GuestIdentity;
  readonly sweep: SweepResult;
  readonly attachMs: number;
}

export function psView({ name, identity, sweep, attachMs }: Sighting): PsView {
  return {
    vm: name,
    kernel: identity.banner,
    buildId: identity.buildId,
    bootedAt: timeOf(identity.bootedMs),
    sweepMs: rounded(sweep.cost.durationMs),
    attachMs: rounded(attachMs),
    complete: sweep.complete,
    notes: sweep.notes,
    tasks: sweep.tasks.map(psTask),
  };
}

export function socketsView({ name, sweep }: Sighting): SocketsView {
  const tasks = new Map(sweep.tasks.map((task) => [task.pid, task]));
  return { vm: name, sockets: sweep.sockets.map((socket) => shownSocket(socket, tasks)) };
}

function psTask(task: TaskView): PsTask {
  const { exe, deleted } = programOf(task);
  const { pid, tgid, ppid, uid, euid, comm, cgroup, kernelThread, namespaces } = task;
  return {
    pid,
    tgid,
    ppid,
    uid,
    euid,
    comm,
    exe,
    deleted,
    argv: task.argv ?? [],
    startedAt: timeOf(task.startedMs),
    cgroup,
    kernelThread,
    namespaces,
  };
}

function shownSocket(socket: SocketView, tasks: ReadonlyMap<number, TaskView>): ShownSocket {
  const holders = socket.holders.flatMap(({ pid }) => tasks.get(pid) ?? []);
  const [owner] = holders.toSorted((a, b) => a.startedAfterBootUs - b.startedAfterBootUs);
  return {
    pid: owner?.pid ?? socket.holders[0]?.pid ?? null,
    comm: owner?.comm ?? null,
    exe: owner === undefined ? null : programOf(owner).exe,
    proto: socket.protocol,
    family: socket.family,
    state: socket.protocol === 'udp' && socket.state === 'CLOSE' ? 'UNCONN' : socket.state,
    localAddr: socket.localAddress,
    localPort: socket.localPort,
    remoteAddr: socket.remoteAddress,
    remotePort: socket.remotePort,
  };
}

/** A guest may claim any time; what cannot be written is shown as the beginning of time. */
function timeOf(epochMs: number): string {
  return isoTime(isPlausibleTime(epochMs) ? epochMs : 0);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
