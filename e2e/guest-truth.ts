// What a guest says of itself (lab/programs/proc-look.c), parsed into the shapes `plumbline ps` and `plumbline sockets` print.
import assert from 'node:assert/strict';
import type { Guest } from '../lab/guest.ts';

export interface TrueTask {
  readonly pid: number;
  readonly tgid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly euid: number;
  readonly kernelThread: boolean;
  /** Clock ticks (10 ms) from boot to start. */
  readonly startTicks: number;
  readonly comm: string;
  readonly exe: string | null;
  readonly deleted: boolean;
  readonly argv: readonly string[];
  readonly cgroup: string;
  readonly namespaces: { readonly pid: number; readonly mnt: number; readonly net: number };
}

export interface TrueSocket {
  readonly pids: readonly number[];
  readonly proto: 'tcp' | 'udp';
  readonly family: 4 | 6;
  readonly state: string;
  readonly localAddr: string;
  readonly localPort: number;
  readonly remoteAddr: string;
  readonly remotePort: number;
}

export interface Truth {
  readonly tasks: readonly TrueTask[];
  readonly sockets: readonly TrueSocket[];
}

/** The program that looks is left out of what it saw. */
export async function lookInside(guest: Guest, options: { readonly threads?: boolean } = {}): Promise<Truth> {
  const { code, out } = await guest.run(options.threads === true ? 'proc-look threads' : 'proc-look', 60_000);
  assert.equal(code, 0, `proc-look in ${guest.name} ended with ${code}`);
  const lines = out.split('\n').map((line) => line.split('\t'));
  const holders = new Map<number, number[]>();
  for (const [kind, inode, pid] of lines) {
    if (kind === 'sock') holders.set(Number(inode), [...(holders.get(Number(inode)) ?? []), Number(pid)]);
  }
  return {
    tasks: lines
      .filter(([kind]) => kind === 'task')
      .map(taskOf)
      .filter((task) => task.comm !== 'proc-look'),
    sockets: lines.flatMap((fields) =>
      fields[0] === 'net' ? socketOf(fields[1] ?? '', fields[2] ?? '', holders) : [],
    ),
  };
}

function taskOf(fields: readonly string[]): TrueTask {
  const [pid, tgid, ppid, uid, euid, kernelThread, startTicks] = fields.slice(1, 8).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [comm, link, cmdline, cgroup] = fields.slice(8, 12).map(fromHex) as [string, string, string, string];
  const [pidNs, mntNs, netNs] = fields.slice(12, 15).map(Number) as [number, number, number];
  const suffix = ' (deleted)';
  const deleted = link.endsWith(suffix);
  return {
    pid,
    tgid,
    ppid,
    uid,
    euid,
    startTicks,
    comm,
    deleted,
    kernelThread: kernelThread === 1,
    exe: link === '' ? null : deleted ? link.slice(0, -suffix.length) : link,
    // Empty arguments at the end cannot be told from the NULs behind a title that was written over the arguments.
    argv: /^\0*$/.test(cmdline) ? [] : cmdline.replace(/\0+$/, '').split('\0'),
    cgroup: /^0::(.*)$/m.exec(cgroup)?.[1] ?? '',
    namespaces: { pid: pidNs, mnt: mntNs, net: netNs },
  };
}

function fromHex(text: string): string {
  return text === '-' ? '' : Buffer.from(text, 'hex').toString('utf8');
}

const tcpStates = [
  '',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
];

function socketOf(table: string, line: string, holders: ReadonlyMap<number, readonly number[]>): TrueSocket[] {
  const fields = line.trim().split(/\s+/);
  const [local, remote] = [endOf(fields[1] ?? ''), endOf(fields[2] ?? '')];
  const state = tcpStates[Number.parseInt(fields[3] ?? '0', 16)] ?? '?';
  const proto = table.startsWith('udp') ? 'udp' : 'tcp';
  const inode = Number(fields[9] ?? 0);
  return [
    {
      pids: holders.get(inode) ?? [],
      proto,
      family: table.endsWith('6') ? 6 : 4,
      state: proto === 'udp' && state === 'CLOSE' ? 'UNCONN' : state,
      localAddr: local.address,
      localPort: local.port,
      remoteAddr: remote.address,
      remotePort: remote.port,
    },
  ];
}

/** `/proc/net/*` prints each 32-bit word of an address in the machine's (little-endian) order. */
function endOf(text: string): { address: string; port: number } {
  const [words = '', port = '0'] = text.split(':');
  const bytes = (words.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).toReversed().map((byte) => Number.parseInt(byte, 16)),
  );
  return { address: bytes.length === 4 ? bytes.join('.') : ipv6Text(bytes), port: Number.parseInt(port, 16) };
}

function ipv6Text(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const host = new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(host);
  return mapped === null ? host : `::ffff:${bytes.slice(12).join('.')}`;
}
