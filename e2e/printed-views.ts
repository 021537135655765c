// What `plumbline ps --json` and `plumbline sockets --json` promise to print, and how it is held against the guest's own view.
import assert from 'node:assert/strict';
import type { TrueSocket, TrueTask, Truth } from './guest-truth.ts';

export interface PrintedTask {
  readonly pid: number;
  readonly tgid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly euid: number;
  readonly comm: string;
  readonly exe: string | null;
  readonly deleted: boolean;
  readonly argv: readonly string[];
  readonly startedAt: string;
  readonly cgroup: string | null;
  readonly kernelThread: boolean;
  readonly namespaces: { readonly pid: number; readonly mnt: number; readonly net: number } | null;
}

export interface PrintedPs {
  readonly vm: string;
  readonly kernel: string;
  readonly buildId: string;
  readonly bootedAt: string;
  readonly sweepMs: number;
  readonly attachMs: number;
  readonly complete: boolean;
  readonly notes: readonly unknown[];
  readonly tasks: readonly PrintedTask[];
}

export interface PrintedSocket {
  readonly pid: number | null;
  readonly comm: string | null;
  readonly exe: string | null;
  readonly proto: 'tcp' | 'udp';
  readonly family: 4 | 6;
  readonly state: string;
  readonly localAddr: string;
  readonly localPort: number;
  readonly remoteAddr: string;
  readonly remotePort: number;
}

export interface PrintedSockets {
  readonly vm: string;
  readonly sockets: readonly PrintedSocket[];
}

/** Every process that was there before and after, unchanged, must be printed exactly so; nothing may be printed that neither look knew. */
export function assertSameTasks(before: Truth, printed: PrintedPs, after: Truth): number {
  const later = new Map(after.tasks.map((task) => [task.pid, task]));
  const seen = new Map(printed.tasks.map((task) => [task.pid, task]));
  let compared = 0;
  for (const task of before.tasks) {
    const again = later.get(task.pid);
    if (again === undefined || JSON.stringify(again) !== JSON.stringify(task)) continue;
    const ours = seen.get(task.pid);
    assert.ok(ours, `pid ${task.pid} (${task.comm}) is missing`);
    assert.deepEqual(comparable(ours), expected(task), `pid ${task.pid}`);
    const startedMs = Date.parse(printed.bootedAt) + task.startTicks * 10;
    assert.ok(
      Math.abs(Date.parse(ours.startedAt) - startedMs) < 1500,
      `pid ${task.pid} started ${ours.startedAt}, not ${new Date(startedMs).toISOString()}`,
    );
    compared += 1;
  }
  assert.ok(compared > 20, `only ${compared} processes lived through both looks`);
  return compared;
}

function expected(task: TrueTask): Record<string, unknown> {
  const { startTicks: _, ...rest } = task;
  return { ...rest, comm: bareName(task) };
}

/** /proc decorates kernel threads: the work of a kworker, a name longer than the 15 bytes that the task itself carries. */
function bareName({ comm, kernelThread }: { readonly comm: string; readonly kernelThread: boolean }): string {
  return kernelThread ? comm.replace(/^(kworker\/).*/, '$1').slice(0, 15) : comm;
}

function comparable(task: PrintedTask): Record<string, unknown> {
  const { pid, tgid, ppid, uid, euid, kernelThread, exe, deleted, argv, cgroup, namespaces } = task;
  const { pid: pidNs = 0, mnt = 0, net = 0 } = namespaces ?? {};
  const comm = bareName(task);
  return {
    pid,
    tgid,
    ppid,
    uid,
    euid,
    comm,
    deleted,
    kernelThread,
    exe,
    argv,
    cgroup,
    namespaces: { pid: pidNs, mnt, net },
  };
}

/** Sockets that both looks know must be printed with an owner that holds them; established and listening ones that are printed must be known. */
export function assertSameSockets(before: Truth, printed: PrintedSockets, after: Truth): number {
  const earlier = new Map(before.sockets.map((socket) => [keyOf(socket), socket]));
  const later = new Map(after.sockets.map((socket) => [keyOf(socket), socket]));
  const ours = new Map<string, PrintedSocket[]>();
  for (const socket of printed.sockets) ours.set(keyOf(socket), [...(ours.get(keyOf(socket)) ?? []), socket]);
  let compared = 0;
  for (const [key, socket] of earlier) {
    if (!later.has(key)) continue;
    const found = ours.get(key);
    assert.ok(found, `socket ${key} is missing`);
    if (socket.pids.length === 0)
      assert.deepEqual(
        found.map(({ pid }) => pid),
        [null],
        `socket ${key} has no owner`,
      );
    else
      for (const { pid } of found)
        assert.ok(
          pid !== null && socket.pids.includes(pid),
          `socket ${key} belongs to ${socket.pids.join(', ')}, not ${pid}`,
        );
    compared += 1;
  }
  for (const key of ours.keys()) {
    if (/LISTEN|ESTABLISHED|UNCONN/.test(key))
      assert.ok(earlier.has(key) || later.has(key), `socket ${key} is not there`);
  }
  return compared;
}

function keyOf(socket: TrueSocket | PrintedSocket): string {
  const { proto, family, state, localAddr, localPort, remoteAddr, remotePort } = socket;
  return `${proto}${family} ${state} ${localAddr}:${localPort} ${remoteAddr}:${remotePort}`;
}
