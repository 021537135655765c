// Carries out steps on a guest that libvirt manages. libvirt does it, so that libvirt knows; QEMU is asked, through the monitor
// libvirt passes on, what became true.
import type { Problem } from '../../../kit/problem.ts';
import { fail, type Result } from '../../../kit/result.ts';
import { type LibvirtClient, type LibvirtDomain, openLibvirt } from '../../../protocols/libvirt/libvirt-client.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import type { Enforcer } from '../enforcer.ts';
import { libvirtLinks } from './libvirt-links.ts';
import { pipeObstacle } from '../evidence-pipe.ts';
import type { MemoryDumpOptions } from '../memory-dump.ts';
import { memorySize, readVmState, snapshotObstacle } from '../read-vm-state.ts';
import { type Patience, verifiedEnforcer, type VmControl } from '../verified-action.ts';

export interface LibvirtTarget {
  /** libvirt's read-write unix socket. */
  readonly socket: string;
  readonly uuid: string;
  /** QEMU's monitor, by way of libvirt. */
  readonly monitor: Monitor;
  /** Whether the QEMU process of this very run is still there; asks the host, not libvirt. */
  readonly alive: () => boolean;
  readonly patience: Patience;
  /** Where memory is kept; absent = nowhere. */
  readonly evidence?: MemoryDumpOptions;
  /** Of the QEMU process. */
  readonly pid: number;
}

export function libvirtEnforcer(target: LibvirtTarget): Enforcer {
  return verifiedEnforcer(libvirtControl(target), target.patience);
}

function libvirtControl({ socket, uuid, monitor, alive, evidence, pid }: LibvirtTarget): VmControl {
  const order = (act: (client: LibvirtClient, domain: LibvirtDomain) => Promise<Result<void>>): Promise<Result<void>> =>
    withDomain(socket, uuid, act);
  return {
    suspend: () => order((client, domain) => client.suspend(domain)),
    resume: () => order((client, domain) => client.resume(domain)),
    snapshot: (name) => order((client, domain) => client.createSnapshot(domain, snapshotXml(name))),
    powerOff: () => order((client, domain) => client.destroy(domain)),
    readState: () => readVmState(monitor, alive),
    snapshotObstacle: (): Promise<Problem | null> => snapshotObstacle(monitor),
    links: libvirtLinks((act) => withDomain(socket, uuid, act), monitor),
    ...(evidence === undefined
      ? {}
      : {
          memoryDump: {
            ...evidence,
            obstacle: async () => pipeObstacle(pid, false),
            memoryBytes: () => memorySize(monitor),
            write: (path, limitMs) => order((client, domain) => client.dumpMemory(domain, path, limitMs)),
          },
        }),
  };
}

/** A connection for one action: the monitor's own serves looks, which must not wait behind a snapshot. */
async function withDomain<T>(
  socket: string,
  uuid: string,
  act: (client: LibvirtClient, domain: LibvirtDomain) => Promise<Result<T>>,
): Promise<Result<T>> {
  const client = await openLibvirt(socket);
  if (!client.ok) return client;
  try {
    const domain = await client.value.domain(uuid);
    return domain.ok ? await act(client.value, domain.value) : fail(domain.error);
  } finally {
    client.value.close();
  }
}

/** Names that could need escaping were refused before. Without `<memory>` a running domain gets memory and disks, internally. */
function snapshotXml(name: string): string {
  return `<domainsnapshot><name>${name}</name><description>made by Plumbline</description></domainsnapshot>`;
}
