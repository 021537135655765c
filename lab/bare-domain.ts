// A libvirt domain with a network card and nothing to boot: enough for what is said to libvirt about the card, and up in a moment.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ok, type Result } from '../src/kit/result.ts';
import type { LibvirtHost } from './libvirt-host.ts';
import { stableUuid } from './qemu-command.ts';

export interface BareDomainOptions {
  readonly name: string;
  /** An existing bridge in the namespace libvirtd runs in. */
  readonly bridge: string;
  readonly tap: string;
  readonly mac: string;
  /** Within its card, such as a `<filterref>`. */
  readonly card?: string;
  /** Forgotten by libvirt when it stops. */
  readonly transient?: boolean;
}

/** Starts it; its UUID. `host.remove(name)` ends it. */
export async function startBareDomain(host: LibvirtHost, options: BareDomainOptions): Promise<Result<string>> {
  const { name, bridge, tap, mac, card = '' } = options;
  const uuid = stableUuid(name);
  const xml = `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>16</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
      <interface type='bridge'><mac address='${mac}'/><source bridge='${bridge}'/><target dev='${tap}'/><model type='virtio'/>${card}</interface>
      <memballoon model='none'/></devices></domain>`;
  const file = join(await mkdtemp(join(tmpdir(), 'plumbline-domain-')), 'domain.xml');
  await writeFile(file, xml);
  const steps =
    options.transient === true
      ? [['create', file, '--paused']]
      : [
          ['define', file],
          ['start', name, '--paused'],
        ];
  for (const step of steps) {
    const done = await host.virsh(...step);
    if (!done.ok) return done;
  }
  return ok(uuid);
}
