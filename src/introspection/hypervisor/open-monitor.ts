// Opens the monitor of a guest, whichever way it is reached.
import { problem } from '../../kit/problem.ts';
import { fail } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { openLibvirtMonitor } from '../../protocols/libvirt/libvirt-monitor.ts';
import { openVirshMonitor } from '../../protocols/libvirt/virsh-monitor.ts';
import { monitorProblem } from '../../protocols/qmp/monitor.ts';
import type { Monitor, MonitorProblem } from '../../protocols/qmp/monitor.ts';
import { openQmp } from '../../protocols/qmp/qmp-client.ts';
import type { GuestHandle } from './guest-handle.ts';

export async function openMonitor(guest: GuestHandle): Promise<Result<Monitor, MonitorProblem>> {
  const { monitor } = guest;
  switch (monitor.kind) {
    case 'qmp':
      return openFirst(monitor.path, monitor.others);
    case 'libvirt':
      return openByLibvirt(monitor.socket, monitor.uuid);
    case 'none': {
      const mend = 'Give it one: -qmp unix:/run/NAME.qmp,server=on,wait=off';
      return fail(
        monitorProblem(problem('not-found', `Cannot reach the monitor of ${guest.name}: ${monitor.why}.`, mend)),
      );
    }
  }
}

/** A libvirt that is there but cannot be talked to (another protocol, credentials) may still be reached by its own program. */
async function openByLibvirt(socket: string, uuid: string): Promise<Result<Monitor, MonitorProblem>> {
  const direct = await openLibvirtMonitor(socket, uuid);
  if (direct.ok || direct.error.kind === 'not-found') return direct;
  const byVirsh = await openVirshMonitor(socket, uuid);
  return byVirsh.ok ? byVirsh : direct;
}

/** The answer of the first socket is kept when none of them is free. */
async function openFirst(path: string, others: readonly string[]): Promise<Result<Monitor, MonitorProblem>> {
  const first = await openQmp(path);
  if (first.ok) return first;
  for (const other of others) {
    const opened = await openQmp(other);
    if (opened.ok) return opened;
  }
  return first;
}
