// The daemon that forwards for a database's bridges. It writes who it is beside the database (ovs-vswitchd(8), `--pidfile`), and
// answers ovs-appctl(8) on a socket that is named after it (`--unixctl`).
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import { runProgram } from '../host-program/run-program.ts';

/** Its process; null when none has said that it runs. `database`: the path of the database's unix socket. */
export function switchDaemonPid(database: string): number | null {
  try {
    const pid = Number(readFileSync(join(dirname(database), 'ovs-vswitchd.pid'), 'latin1').trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

export function switchDaemonControl(database: string, pid: number): string {
  return join(dirname(database), `ovs-vswitchd.${pid}.ctl`);
}

/** What it answers to a command of ovs-appctl(8); `not-found` when none runs. */
export async function askSwitchDaemon(database: string, command: string): Promise<Result<string>> {
  const pid = switchDaemonPid(database);
  if (pid === null) return fail(problem('not-found', 'ovs-vswitchd does not run: it has written no pid file.'));
  return await runProgram(['ovs-appctl', '--timeout=8', '-t', switchDaemonControl(database, pid), command]);
}

export interface SwitchDaemon {
  /** Resolves when it has ended, or when `leave` was called. */
  readonly ended: Promise<void>;
  leave(): void;
}

/** Keeps a connection to the daemon, which ends with it; null when none runs. */
export async function attendSwitchDaemon(database: string): Promise<SwitchDaemon | null> {
  const pid = switchDaemonPid(database);
  if (pid === null) return null;
  const socket = createConnection(switchDaemonControl(database, pid));
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const { promise: connected, resolve: answer } = Promise.withResolvers<boolean>();
  socket.once('connect', () => answer(true));
  socket.on('error', () => answer(false));
  socket.once('close', () => resolve());
  // It says nothing unasked; what is not read would keep the end from being noticed.
  socket.resume();
  return (await connected) ? { ended, leave: () => void socket.destroy() } : null;
}
