// The writable disks of a libvirt domain, all of them: as its next start will have them, which libvirt keeps, and as QEMU has them now.
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { type DomainDisk, readDomainDisks } from '../../../protocols/libvirt/domain-disks.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import { openLibvirtMonitor } from '../../../protocols/libvirt/libvirt-monitor.ts';
import { type Disk, readDisks } from '../disks.ts';

export interface KeptDisks {
  /** Each can be put into another file. */
  readonly writable: readonly DomainDisk[];
  /** Targets of those a guest only reads. */
  readonly others: readonly string[];
}

export interface VmDisk {
  readonly kept: DomainDisk;
  readonly running: Disk;
}

const disksMax = 16;

/** `isForGood`: what they are in now need not be put back. */
export async function readKeptDisks(
  client: LibvirtClient,
  domain: LibvirtDomain,
  isForGood = false,
): Promise<Result<KeptDisks>> {
  const disks = await readDefinedDisks(client, domain, refusal);
  if (!disks.ok) return disks;
  const writable = disks.value.filter((disk) => disk.writable);
  if (writable.length === 0 || writable.length > disksMax)
    return refusal(`its definition has ${writable.length} writable disks, not one to ${disksMax}`);
  for (const { target, obstacle, obstacleForGood } of writable) {
    const why = isForGood ? obstacleForGood : obstacle;
    if (why !== null) return refusal(`of its disk ${target}, ${why}`);
  }
  return ok({ writable, others: disks.value.filter((disk) => !disk.writable).map(({ target }) => target) });
}

/** All disks in the definition that libvirt keeps; `refuse` words the refusal of a domain that it forgets. */
export async function readDefinedDisks(
  client: LibvirtClient,
  domain: LibvirtDomain,
  refuse: (why: string, mend: string) => Result<never>,
): Promise<Result<readonly DomainDisk[]>> {
  const persistent = await client.isPersistent(domain);
  if (!persistent.ok) return persistent;
  if (!persistent.value)
    return refuse('libvirt forgets the domain when it stops, so that it could not be started again', 'Define it.');
  const xml = await client.describe(domain, 'kept');
  return xml.ok ? readDomainDisks(xml.value) : xml;
}

/** The writable ones, of whichever QEMU runs the domain now. */
export async function readRunningDisks(socket: string, uuid: string): Promise<Result<readonly Disk[]>> {
  const monitor = await openLibvirtMonitor(socket, uuid);
  if (!monitor.ok) return monitor;
  const disks = await readDisks(monitor.value);
  monitor.value.close();
  return disks.ok ? ok(disks.value.filter((disk) => disk.writable)) : disks;
}

/** Each kept disk with the one of QEMU's in the same file; a problem unless they are the same all. */
export function pairDisks(kept: readonly DomainDisk[], running: readonly Disk[]): Result<readonly VmDisk[]> {
  const pairs = kept.flatMap((disk) => {
    const found = running.find(({ file }) => file === disk.file);
    return found === undefined ? [] : [{ kept: disk, running: found }];
  });
  const missing = kept.find((disk) => !pairs.some((pair) => pair.kept === disk));
  if (missing !== undefined) {
    const files = running.map(({ file }) => file ?? 'no file').slice(0, 8);
    const why = `it runs on ${files.join(', ')}, and its definition has ${missing.file}`;
    return refusal(why, 'Restart it first.');
  }
  const extra = running.find((disk) => !pairs.some((pair) => pair.running === disk));
  if (extra !== undefined || pairs.length !== kept.length)
    return refusal(`QEMU has a writable disk, ${extra?.device ?? 'named twice'}, that its definition has not`);
  return ok(pairs);
}

function refusal(why: string, mend?: string): Result<never> {
  return fail(problem('refused', `The VM's disks cannot be put on other files: ${why}.`, mend));
}
