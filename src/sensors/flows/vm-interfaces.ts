// Which network devices of the host a VM is plugged into, and which hardware addresses it was given: read from its QEMU process,
// so that it holds for QEMU started by hand, by libvirt or by anything else, and for cards plugged in later.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../kit/canonical-json.ts';
import { asObject } from '../../kit/json-object.ts';

export interface VmInterfaces {
  /** Names of taps, in the network namespace of the QEMU process. */
  readonly taps: readonly string[];
  /** Interface indexes of macvtaps there. */
  readonly macvtaps: readonly number[];
  /** Lower case with colons. A guest can take others. */
  readonly macs: readonly string[];
  /** Ways out that no host device shows: user networking, vhost-user, passed-through cards. */
  readonly unseen: readonly string[];
  /** The network namespace, as `/proc/PID/ns/net` names it. */
  readonly namespace: string;
}

const descriptorsMax = 65_536;
const interfacesMax = 64;
const macFirst = 0x12_34_56;

/** Null when the process has ended or may not be read. */
export function interfacesOf(pid: number, procRoot = '/proc'): VmInterfaces | null {
  const directory = join(procRoot, String(pid));
  try {
    const argv = readFileSync(join(directory, 'cmdline'), 'utf8').split('\0');
    const namespace = readlinkSync(join(directory, 'ns/net'));
    return { ...devicesOf(directory), ...readCards(argv), namespace };
  } catch {
    return null;
  }
}

function devicesOf(directory: string): { readonly taps: readonly string[]; readonly macvtaps: readonly number[] } {
  const taps = new Set<string>();
  const macvtaps = new Set<number>();
  for (const fd of readdirSync(join(directory, 'fd')).slice(0, descriptorsMax)) {
    const target = linkOf(join(directory, 'fd', fd));
    if (target === '/dev/net/tun') {
      // drivers/net/tun.c, tun_chr_show_fdinfo
      const name = /^iff:\s*(\S{1,15})$/m.exec(textOf(join(directory, 'fdinfo', fd)))?.[1];
      if (name !== undefined) taps.add(name);
    }
    const macvtap = /^\/dev\/tap(\d{1,9})$/.exec(target)?.[1];
    if (macvtap !== undefined) macvtaps.add(Number(macvtap));
  }
  return { taps: [...taps].slice(0, interfacesMax), macvtaps: [...macvtaps].slice(0, interfacesMax) };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1').slice(0, 4096);
  } catch {
    return '';
  }
}

/** From `-device X,mac=M`, `-nic X,mac=M`, `-net nic,macaddr=M` and libvirt's JSON; cards given none get QEMU's own, in order. */
export function readCards(argv: readonly string[]): Pick<VmInterfaces, 'macs' | 'unseen'> {
  const macs: string[] = [];
  const unseen = new Set<string>();
  let unnamed = 0;
  for (const [index, word] of argv.entries()) {
    const option = word.replace(/^--?/, '');
    const value = argv[index + 1] ?? '';
    if (option === 'netdev' || option === 'nic' || option === 'net') {
      const kind = fieldOf(value, 'type') ?? value.split(',', 1)[0] ?? '';
      if (/^(user|vhost-user|vhost-vdpa|socket|stream|dgram|l2tpv3|vde|passt|af-xdp)$/.test(kind)) unseen.add(kind);
    }
    const isCard =
      (option === 'device' && fieldOf(value, 'netdev') !== undefined) ||
      (option === 'nic' && !/^(none|hubport)/.test(value)) ||
      (option === 'net' && value.startsWith('nic'));
    if (option === 'device' && /^vfio-pci|"driver":"vfio-pci"/.test(value)) unseen.add('a passed-through PCI device');
    if (!isCard) continue;
    const mac = fieldOf(value, 'mac') ?? fieldOf(value, 'macaddr');
    if (mac !== undefined) macs.push(mac.toLowerCase());
    else {
      const number = (macFirst + unnamed).toString(16).padStart(6, '0');
      macs.push(`52:54:00:${number.replace(/..(?=.)/g, '$&:')}`);
      unnamed += 1;
    }
  }
  return { macs: macs.filter(isMac).slice(0, interfacesMax), unseen: [...unseen] };
}

function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(text);
}

function fieldOf(value: string, name: string): string | undefined {
  if (!value.startsWith('{')) return new RegExp(`(?:^|,)${name}=([^,]*)`).exec(value)?.[1];
  try {
    const field = asObject(JSON.parse(value) as Json)?.[name];
    return typeof field === 'string' ? field : undefined;
  } catch {
    return undefined;
  }
}
