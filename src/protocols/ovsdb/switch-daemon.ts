// The daemon that forwards for a database's bridges. It writes who it is beside the database (ovs-vswitchd(8), `--pidfile`), and
// answers ovs-appctl(8) on a socket that is named after it (`--unixctl`).
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
