// Finds the QEMU guests of this host by its process table. Asks nobody and changes nothing.
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { GuestHandle, MonitorAddress } from './guest-handle.ts';
import { parseQemuCommandLine } from './qemu-command-line.ts';
import type { QemuCommandLine } from './qemu-command-line.ts';

export interface ScanOptions {
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** Where libvirt listens; by default its QEMU daemon's socket or, where that is absent, the older one for everything. */
  readonly libvirtSocket?: string;
}

const libvirtSockets = { qemu: '/run/libvirt/virtqemud-sock', all: '/run/libvirt/libvirt-sock' } as const;
const guestsMax = 4096;
const qemu = /^(?:qemu-system-[a-z0-9_]+|qemu-kvm|kvm)$/;

/** All guests of the host, by process id. A guest that ends while being looked at is left out. */
export function scanProcesses(options: ScanOptions = {}): Result<readonly GuestHandle[]> {
  const procRoot = options.procRoot ?? '/proc';
  const libvirtSocket = options.libvirtSocket ?? defaultLibvirtSocket();
  try {
    const guests = readdirSync(procRoot)
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => readGuest(procRoot, pid, libvirtSocket) ?? []);
    return ok(guests.slice(0, guestsMax).sort((one, other) => one.pid - other.pid));
  } catch {
    return fail(problem('failed', `Could not list the host's processes in ${procRoot}.`, 'Mount procfs there.'));
  }
}

export function defaultLibvirtSocket(): string {
  return existsSync(libvirtSockets.qemu) ? libvirtSockets.qemu : libvirtSockets.all;
}

/** User a process runs as (effective); null when it is gone. */
export function processOwner(pid: number, procRoot: string = '/proc'): number | null {
  return statSync(join(procRoot, String(pid)), { throwIfNoEntry: false })?.uid ?? null;
}

/** When process `pid` started, in clock ticks after the host's boot; null when there is no such process. */
export function processStart(pid: number, procRoot = '/proc'): number | null {
  try {
    const stat = readFileSync(join(procRoot, String(pid), 'stat'), 'latin1');
    // The second field is the command in parentheses and may hold spaces; the start time is the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

function readGuest(procRoot: string, pid: string, libvirtSocket: string): GuestHandle | null {
  const directory = join(procRoot, pid);
  const argv = readArgv(directory);
  const program = argv[0]?.slice(argv[0].lastIndexOf('/') + 1) ?? '';
  const startTicks = qemu.test(program) ? processStart(Number(pid), procRoot) : null;
  if (startTicks === null) return null;
  const line = parseQemuCommandLine(argv.slice(1));
  return {
    name: line.name ?? `qemu-${pid}`,
    uuid: line.uuid,
    pid: Number(pid),
    startTicks,
    accelerator: line.accelerator,
    memoryMiB: line.memoryMiB,
    confidential: line.confidential,
    monitor: monitorOf(directory, line, libvirtSocket),
    ...(line.ownDirectory === null ? {} : { ownDirectory: line.ownDirectory }),
  };
}

function readArgv(directory: string): readonly string[] {
  try {
    return readFileSync(join(directory, 'cmdline'), 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

function monitorOf(directory: string, line: QemuCommandLine, libvirtSocket: string): MonitorAddress {
  const paths = line.qmpSockets.flatMap((path) => (isAbsolute(path) ? path : (resolveIn(directory, path) ?? [])));
  const [path, ...others] = paths;
  if (line.monitorByDescriptor && line.uuid !== null && line.name !== null) {
    return { kind: 'libvirt', socket: libvirtSocket, domain: line.name, uuid: line.uuid };
  }
  if (path !== undefined) return { kind: 'qmp', path, others };
  if (line.qmpSockets.length > 0) {
    return { kind: 'none', why: `its QMP socket ${line.qmpSockets[0]} is relative to a directory that cannot be read` };
  }
  return { kind: 'none', why: 'QEMU was started without a QMP unix socket' };
}

function resolveIn(directory: string, path: string): string | null {
  try {
    return join(readlinkSync(join(directory, 'cwd')), path);
  } catch {
    return null;
  }
}
