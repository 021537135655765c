// A lab guest as a libvirt domain: the same kernel, initramfs and command channel, with libvirt holding the QEMU.
import { chmod, chown, cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problem, sayProblem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { runCommand } from './commands.ts';
import { openGuestChannel, type CommandOutcome, type GuestChannel } from './guest-channel.ts';
import type { LibvirtHost } from './libvirt-host.ts';
import { preparePlainGuest } from './plain-guest.ts';
import { stableUuid } from './qemu-command.ts';
import type { KernelRelease } from './kernels.ts';
import { makeRunDirectory } from './run-directory.ts';

export interface LibvirtDomainOptions {
  readonly name: string;
  readonly kernel?: KernelRelease;
  readonly memoryMib?: number;
  /** A raw disk can hold no snapshot. Absent = qcow2. */
  readonly diskFormat?: 'qcow2' | 'raw';
  /** Guest memory as a shared memfd, as hosts with vhost-user or virtiofs have it. */
  readonly memfd?: boolean;
  /** A card on QEMU's user networking, for what is about the card and not about the network. */
  readonly userCard?: boolean;
  readonly network?: {
    /** An existing bridge in the namespace libvirtd runs in. */
    readonly bridge: string;
    readonly tap: string;
    readonly mac: string;
    readonly address: string;
    readonly gateway: string;
  };
}

export interface LibvirtDomain {
  /** libvirt's name for it. */
  readonly name: string;
  readonly uuid: string;
  readonly disk: string;
  pid(): number | undefined;
  /** As `Guest.run`: throws when the guest cannot answer. Finds the guest again after a revert or restart. */
  run(command: string, timeoutMs?: number): Promise<CommandOutcome>;
  /** Powers it off and forgets it. */
  remove(): Promise<void>;
}

const bootPatienceMs = 120_000;
const commandLimitMs = 20_000;

/** Defines and starts a domain and returns once the guest answers. */
export async function startLibvirtDomain(
  host: LibvirtHost,
  options: LibvirtDomainOptions,
): Promise<Result<LibvirtDomain>> {
  const prepared = await preparePlainGuest(options.kernel ?? '6.1');
  if (!prepared.ok) return prepared;
  const { name } = options;
  const directory = join(await makeRunDirectory('libvirt'), options.name);
  const { vmlinuz } = prepared.value.kernel;
  const { diskFormat = 'qcow2' } = options;
  const owned = await giveToQemu(directory, vmlinuz, prepared.value.initramfs, diskFormat);
  if (!owned.ok) return owned;
  const uuid = stableUuid(name);
  const xml = domainXml({ ...options, name, uuid, directory });
  const definition = join(directory, 'domain.xml');
  await writeFile(definition, xml);
  for (const words of [
    ['define', definition],
    ['start', name],
  ]) {
    const done = await host.virsh(...words);
    if (!done.ok) {
      await host.remove(name);
      return done;
    }
  }
  const domain = domainOver(host, name, uuid, directory, diskFormat);
  const answer = await domain.ask('true', bootPatienceMs);
  if (answer.ok) return ok(domain);
  await domain.remove();
  return fail(problem('failed', `The domain ${name} did not come up: ${answer.error.message}`));
}

function domainOver(host: LibvirtHost, name: string, uuid: string, directory: string, diskFormat: string) {
  let channel: { readonly pid: number; readonly to: GuestChannel } | undefined;
  /** A revert is a new QEMU process behind the same socket path. */
  const reach = async (): Promise<Result<GuestChannel>> => {
    const pid = host.pidOf(name);
    if (pid === undefined) return fail(problem('failed', `The domain ${name} is not running.`));
    if (channel?.pid === pid) return ok(channel.to);
    channel?.to.close();
    const opened = await openGuestChannel(join(directory, 'command.sock'));
    if (opened.ok) channel = { pid, to: opened.value };
    return opened;
  };
  const ask = async (command: string, timeoutMs: number): Promise<Result<CommandOutcome>> => {
    const to = await reach();
    return to.ok ? to.value.run(command, timeoutMs) : to;
  };
  return {
    name,
    uuid,
    disk: join(directory, `disk.${diskFormat}`),
    pid: () => host.pidOf(name),
    ask,
    async run(command: string, timeoutMs = commandLimitMs) {
      const outcome = await ask(command, timeoutMs);
      if (!outcome.ok) throw new Error(`${name}: ${sayProblem(outcome.error)}`);
      return outcome.value;
    },
    async remove() {
      channel?.to.close();
      await host.remove(name);
    },
  };
}

/** libvirt runs QEMU as a user of its own, which must reach all files of the guest. */
async function giveToQemu(
  directory: string,
  vmlinuz: string,
  initramfs: string,
  diskFormat: string,
): Promise<Result<void>> {
  const user = await runCommand(['id', '-u', 'libvirt-qemu']);
  if (!user.ok) return user;
  await mkdir(directory, { recursive: true });
  await cp(vmlinuz, join(directory, 'vmlinuz'));
  await cp(initramfs, join(directory, 'initramfs.gz'));
  const file = join(directory, `disk.${diskFormat}`);
  const disk = await runCommand(['qemu-img', 'create', '-q', '-f', diskFormat, file, '16M']);
  if (!disk.ok) return disk;
  await chmod(directory, 0o755);
  await chown(directory, Number(user.value), -1);
  return ok(undefined);
}

interface DomainParts extends LibvirtDomainOptions {
  readonly uuid: string;
  readonly directory: string;
}

/** The domain's definition (https://libvirt.org/formatdomain.html). Names come from the lab and need no escaping. */
export function domainXml({
  name,
  uuid,
  directory,
  memoryMib = 192,
  memfd = false,
  diskFormat = 'qcow2',
  userCard,
  network,
}: DomainParts): string {
  const backing = memfd ? `<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>` : '';
  const address = network === undefined ? '' : ` lab.address=${network.address} lab.gateway=${network.gateway}`;
  const user = userCard === true ? "<interface type='user'><model type='virtio'/></interface>" : '';
  const nic =
    network === undefined
      ? user
      : `<interface type='bridge'><mac address='${network.mac}'/><source bridge='${network.bridge}'/>
      <target dev='${network.tap}'/><model type='virtio'/></interface>`;
  return `<domain type='qemu'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>${memoryMib}</memory>
  ${backing}
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${directory}/vmlinuz</kernel>
    <initrd>${directory}/initramfs.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1${address}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom'><model>qemu64</model><feature policy='disable' name='cx16'/></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='${diskFormat}'/><source file='${directory}/disk.${diskFormat}'/><target dev='vda' bus='virtio'/></disk>
    ${nic}
    <serial type='file'><source path='${directory}/console.log'/><target port='0'/></serial>
    <channel type='unix'><source mode='bind' path='${directory}/command.sock'/><target type='virtio' name='lab'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}
