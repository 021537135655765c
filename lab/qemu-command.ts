// What QEMU is asked for a lab guest, as its argument list: a stock machine, so that what works here works on any host.
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export interface GuestHardware {
  readonly vcpus: number;
  /** Room for processors that are plugged in later. Default none. */
  readonly vcpusMax?: number;
  readonly memoryMib: number;
  /** Room for memory that is plugged in later, the first included. Default none. */
  readonly memoryMaxMib?: number;
  /** `pc` or `q35`, or any other machine QEMU knows. */
  readonly machine: string;
  /** QEMU's own default when absent. */
  readonly cpu?: string;
  /** `kvm` only on a host where it really works; the lab does not guess. */
  readonly accelerator: 'tcg' | 'kvm';
  /** How the host holds the guest's memory. A product must read all three. */
  readonly memory: 'anonymous' | 'memfd' | 'file';
}

export interface GuestNetwork {
  /** Name of an existing tap device in the network namespace QEMU is started in. */
  readonly tap: string;
  readonly mac: string;
  /** With prefix length, such as 10.77.0.11/24. */
  readonly address: string;
  readonly gateway: string;
  /** The card leaves nothing to the host (checksums, cutting up): for switches that carry packets as they are. Default false. */
  readonly plain?: boolean;
}

export interface GuestMachine {
  readonly name: string;
  readonly uuid: string;
  readonly directory: string;
  readonly vmlinuz: string;
  readonly initramfs: string;
  /** The guest's root file system is on its disk; otherwise it lives in the initramfs and the disk only holds snapshots. */
  readonly rootOnDisk: boolean;
  readonly hardware: GuestHardware;
  readonly network?: GuestNetwork;
  /** Further kernel parameters, such as `pti=on`. */
  readonly append: readonly string[];
}

/** Where a guest's sockets and files are. The product may only ever use `productQmp`. */
export function guestFiles(directory: string): {
  readonly productQmp: string;
  readonly labQmp: string;
  readonly commandPort: string;
  readonly console: string;
  readonly disk: string;
  readonly memory: string;
} {
  return {
    productQmp: join(directory, 'qmp.sock'),
    labQmp: join(directory, 'lab-qmp.sock'),
    commandPort: join(directory, 'command.sock'),
    console: join(directory, 'console.log'),
    disk: join(directory, 'disk.qcow2'),
    memory: join(directory, 'memory'),
  };
}

/** The whole argument list. The product's QMP socket comes first: a sentinel takes the first `-qmp` it finds. */
export function qemuArguments(guest: GuestMachine, snapshot?: string): readonly string[] {
  const files = guestFiles(guest.directory);
  const { hardware, network } = guest;
  return [
    ['qemu-system-x86_64'],
    ['-name', guest.name, '-uuid', guest.uuid],
    ['-nodefaults', '-no-user-config', '-display', 'none'],
    ['-accel', hardware.accelerator, '-smp', `${hardware.vcpus},maxcpus=${hardware.vcpusMax ?? hardware.vcpus}`],
    hardware.cpu === undefined ? [] : ['-cpu', hardware.cpu],
    memoryArguments(hardware, files.memory),
    ['-kernel', guest.vmlinuz, '-initrd', guest.initramfs, '-append', kernelParameters(guest)],
    ['-qmp', `unix:${files.productQmp},server=on,wait=off`],
    ['-qmp', `unix:${files.labQmp},server=on,wait=off`],
    ['-serial', `file:${files.console}`],
    ['-drive', `file=${files.disk},format=qcow2,if=virtio,cache=unsafe`],
    [
      '-device',
      'virtio-serial-pci,max_ports=2',
      '-chardev',
      `socket,id=command,path=${files.commandPort},server=on,wait=off`,
    ],
    ['-device', 'virtserialport,chardev=command,name=lab'],
    network === undefined ? [] : networkArguments(network),
    snapshot === undefined ? [] : ['-loadvm', snapshot],
  ].flat();
}

function memoryArguments(hardware: GuestHardware, file: string): readonly string[] {
  const { machine, memory, memoryMib, memoryMaxMib } = hardware;
  const size = `${memoryMib}M`;
  const room = memoryMaxMib === undefined ? size : `${size},slots=2,maxmem=${memoryMaxMib}M`;
  switch (memory) {
    case 'anonymous':
      return ['-machine', machine, '-m', room];
    case 'memfd':
      return [
        '-machine',
        `${machine},memory-backend=ram0`,
        '-m',
        room,
        '-object',
        `memory-backend-memfd,id=ram0,size=${size},share=on`,
      ];
    case 'file':
      return [
        '-machine',
        `${machine},memory-backend=ram0`,
        '-m',
        room,
        '-object',
        `memory-backend-file,id=ram0,size=${size},share=on,mem-path=${file}`,
      ];
  }
}

/** Of virtio-net: what it would leave to the other side, each way. */
const offloads = ['csum', 'gso', 'host_tso4', 'host_tso6', 'host_ecn', 'host_ufo'].concat(
  ['csum', 'tso4', 'tso6', 'ecn', 'ufo'].map((name) => `guest_${name}`),
);

function networkArguments({ tap, mac, plain }: GuestNetwork): readonly string[] {
  const without = plain === true ? offloads.map((name) => `,${name}=off`).join('') : '';
  return [
    '-netdev',
    `tap,id=net0,ifname=${tap},script=no,downscript=no`,
    '-device',
    `virtio-net-pci,netdev=net0,mac=${mac},romfile=${without}`,
  ];
}

function kernelParameters({ network, rootOnDisk, append }: GuestMachine): string {
  return [
    'console=ttyS0',
    'quiet',
    'panic=-1',
    ...(rootOnDisk ? ['lab.root=/dev/vda'] : []),
    ...(network === undefined ? [] : [`lab.address=${network.address}`, `lab.gateway=${network.gateway}`]),
    ...append,
  ].join(' ');
}

/** The same name gives the same UUID in every run (RFC 9562 version 8), so that a restored guest is the same VM. */
export function stableUuid(name: string): string {
  const bytes = createHash('sha256').update(`plumbline-lab/${name}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
