// Carries out steps on a guest that libvirt manages. libvirt does it, so that libvirt knows; QEMU is asked, through the monitor
// libvirt passes on, what became true.
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import type { Enforcer } from '../enforcer.ts';
import { goBack } from './external-revert.ts';
import { libvirtSnapshots, type SnapshotTarget } from './external-snapshot.ts';
import { libvirtImage } from './libvirt-image.ts';
import { libvirtLinks } from './libvirt-links.ts';
import { libvirtSave } from './libvirt-save.ts';
import { withDomain } from './with-domain.ts';
import { pipeObstacle } from '../evidence-pipe.ts';
import type { MemoryDumpOptions } from '../memory-dump.ts';
import { memorySize, readVmState, snapshotObstacle } from '../read-vm-state.ts';
import { type Patience, verifiedEnforcer, type VmControl } from '../verified-action.ts';
import type { RevertControl } from '../verified-revert.ts';
import { type SnapshotControl, snapshotWay } from '../verified-snapshot.ts';

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
  const outside: SnapshotTarget = {
    socket,
    uuid,
    monitor,
    alive,
    withDomain: (act) => withDomain(socket, uuid, act),
    ...(evidence === undefined ? {} : { evidence }),
  };
  const snapshots: SnapshotControl = {
    snapshotObstacle: () => snapshotObstacle(monitor),
    externalSnapshot: libvirtSnapshots(outside),
  };
  return {
    ...snapshots,
    suspend: () => order((client, domain) => client.suspend(domain)),
    resume: () => order((client, domain) => client.resume(domain)),
    snapshot: (name) => order((client, domain) => client.createSnapshot(domain, snapshotXml(name))),
    powerOff: () => order((client, domain) => client.destroy(domain)),
    readState: () => readVmState(monitor, alive),
    revert: revertControl(outside, snapshots),
    image: libvirtImage(outside),
    save: libvirtSave(outside),
    links: libvirtLinks(outside.withDomain, monitor),
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

/** An external snapshot is gone back to by us, one within the disks by libvirt. */
function revertControl(target: SnapshotTarget, snapshots: SnapshotControl): RevertControl {
  return {
    async obstacle() {
      const way = await snapshotWay(snapshots);
      return way.kind === 'none' ? way.obstacle : null;
    },
    to: (name, key) =>
      target.withDomain(async (client, domain) => {
        const external = await client.externalSnapshots(domain);
        if (!external.ok) return external;
        if (external.value.includes(name)) return await goBack(client, domain, target, name, key);
        const obstacle = await snapshots.snapshotObstacle();
        return obstacle === null ? await revertTo(client, domain, name, target.alive) : fail(obstacle);
      }),
  };
}

/** Names that could need escaping were refused before. Without `<memory>` a running domain gets memory and disks, internally. */
function snapshotXml(name: string): string {
  return `<domainsnapshot><name>${name}</name><description>made by Plumbline</description></domainsnapshot>`;
}

/** libvirt starts a new QEMU for it: the one there was must have ended, and another must run or stand. */
async function revertTo(
  client: LibvirtClient,
  domain: LibvirtDomain,
  name: string,
  alive: () => boolean,
): Promise<Result<string>> {
  const went = await client.revertToSnapshot(domain, name);
  if (!went.ok) return went;
  const [current, now] = [await client.currentSnapshot(domain), await client.domain(domain.uuid)];
  const state = now.ok ? await client.state(now.value) : now;
  const words = [
    `current snapshot ${current.ok ? current.value : sayProblem(current.error)}`,
    `domain ${state.ok ? state.value : sayProblem(state.error)}`,
    alive() ? 'the QEMU of before still runs' : 'in a new QEMU',
  ].join(', ');
  const isBack =
    current.ok && current.value === name && state.ok && (state.value === 'running' || state.value === 'paused');
  return isBack && !alive()
    ? ok(words)
    : fail(problem('interrupted', `libvirt was told to go back to ${name}: ${words}.`));
}
