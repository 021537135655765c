// The state of a made-up Proxmox VE cluster: nodes, VMs with their configuration files, firewall and snapshots, accounts and
// what they may. Two things are kept that the real API does not show: whether QEMU's link is up, and whether a packet would pass.
import { createHash } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';

export type Settings = Map<string, string>;

export interface FakeRule {
  readonly [field: string]: string;
}

export interface FakeSnapshot {
  readonly settings: Settings;
  readonly parent: string | null;
  readonly hasMemory: boolean;
  readonly time: number;
  /** While it is being made or deleted. */
  readonly unfinished?: 'prepare' | 'delete';
}

export interface FakeVm {
  readonly number: string;
  node: string;
  settings: Settings;
  pending: Settings;
  lock: string | null;
  isRunning: boolean;
  /** QEMU's own word. */
  qemu: string;
  /** Of the process; another with every start. */
  pid: number;
  /** By card, as QEMU has it. */
  readonly links: Map<string, boolean>;
  readonly snapshots: Map<string, FakeSnapshot>;
  parent: string | null;
  readonly rules: FakeRule[];
  readonly firewall: Settings;
  canSnapshot: boolean;
  isHighlyAvailable: boolean;
  /** What an agent in the guest says; null = there is none. */
  agentAddresses: readonly string[] | null;
  /** How often a card was pulled and plugged in anew, which a guest notices. */
  replugs: number;
}

export interface FakeAccount {
  readonly password: string | null;
  /** Name to secret. */
  readonly tokens: ReadonlyMap<string, string>;
  readonly needsSecondFactor: boolean;
  /** By path; what holds for a path holds below it. */
  readonly privileges: Map<string, readonly string[]>;
}

export interface FakeCluster {
  /** Name, and whether it can be reached. */
  readonly nodes: Map<string, boolean>;
  readonly vms: Map<string, FakeVm>;
  readonly firewall: Settings;
  /** `user@realm`. */
  readonly accounts: Map<string, FakeAccount>;
  nextPid: number;
  /** Set when something was written that breaks out of its line in a configuration file. */
  isCorrupted: boolean;
}

export const everyPrivilege: readonly string[] = [
  'VM.Audit',
  'VM.PowerMgmt',
  'VM.Snapshot',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.GuestAgent.Audit',
  'Sys.Audit',
];

export function fakeVm(number: string, node: string, changes: Readonly<Record<string, string>> = {}): FakeVm {
  const tail = number.padStart(12, '0');
  const mac = `BC:24:11:00:${number
    .slice(-4)
    .padStart(4, '0')
    .replace(/(..)(..)/, '$1:$2')}`;
  const settings: Settings = new Map(
    Object.entries({
      name: `vm-${number}`,
      cores: '1',
      memory: '512',
      net0: `virtio=${mac},bridge=vmbr0,firewall=1,tag=20`,
      smbios1: `uuid=6f1d0c52-8a11-4b5e-9d3e-${tail}`,
      scsi0: `local-lvm:vm-${number}-disk-0,size=8G`,
      ...changes,
    }),
  );
  return {
    number,
    node,
    settings,
    pending: new Map(),
    lock: null,
    isRunning: true,
    qemu: 'running',
    pid: Number(number) + 1000,
    links: new Map(cardsOf(settings).map((card) => [card, !isLinkDown(settings, card)])),
    snapshots: new Map(),
    parent: null,
    rules: [],
    firewall: new Map([['enable', '1']]),
    canSnapshot: true,
    isHighlyAvailable: false,
    agentAddresses: null,
    replugs: 0,
  };
}

export function cardsOf(settings: Settings): readonly string[] {
  return [...settings.keys()].filter((key) => /^net\d+$/.test(key));
}

/** Keys and values; null for what the real one would not parse. */
export function netOf(text: string): ReadonlyMap<string, string> | null {
  const models = /^(e1000|e1000e|rtl8139|virtio|vmxnet3)$/;
  const plain = /^(bridge|queues|rate|tag|trunks|firewall|link_down|mtu|macaddr|model)$/;
  const found = new Map<string, string>();
  for (const part of text.split(',')) {
    const [, key = '', value = ''] = /^([^=]+)=(.+)$/s.exec(part) ?? [];
    if (models.test(key)) {
      if (found.has('model') || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) return null;
      found.set('model', key).set('macaddr', value);
    } else {
      const isForm = key === 'bridge' ? /^[-_.\w]+$/.test(value) : !/[\s"'$]/.test(value);
      if (!plain.test(key) || found.has(key) || !isForm) return null;
      found.set(key, value);
    }
  }
  return found.has('model') ? found : null;
}

export function isLinkDown(settings: Settings, card: string): boolean {
  return netOf(settings.get(card) ?? '')?.get('link_down') === '1';
}

/** As the real one: of the file, so that a lock or a snapshot changes it too. */
export function configDigest({ settings, pending, lock, snapshots }: FakeVm): string {
  const said = JSON.stringify([[...settings], [...pending], lock, [...snapshots.keys()]]);
  return createHash('sha1').update(said).digest('hex');
}

export function startProcess(cluster: FakeCluster, vm: FakeVm): void {
  for (const [key, value] of vm.pending) vm.settings.set(key, value);
  vm.pending.clear();
  cluster.nextPid += 1;
  Object.assign(vm, { isRunning: true, qemu: 'running', pid: cluster.nextPid });
  vm.links.clear();
  for (const card of cardsOf(vm.settings)) vm.links.set(card, !isLinkDown(vm.settings, card));
}

export interface FakeFlow {
  readonly direction: 'in' | 'out';
  readonly peer: string;
  readonly proto: 'tcp' | 'udp';
  readonly peerPort: number;
  readonly ownPort: number;
  /** Was let through before: the real one asks no rule about it any more. */
  readonly isEstablished?: boolean;
}

/** Whether a packet passes the card now: the link, then the rules from the top, then the policy. */
export function passes(cluster: FakeCluster, vm: FakeVm, card: string, flow: FakeFlow): boolean {
  if (!vm.isRunning || vm.links.get(card) !== true) return false;
  const isOn = Number(cluster.firewall.get('enable') ?? 0) > 0 && vm.firewall.get('enable') === '1';
  const isForCard = netOf(vm.settings.get(card) ?? '')?.get('firewall') === '1';
  if (!isOn || !isForCard || flow.isEstablished === true) return true;
  const rule = vm.rules.find((each) => each['enable'] === '1' && fits(each, card, flow));
  const policy = vm.firewall.get(`policy_${flow.direction}`) ?? (flow.direction === 'in' ? 'DROP' : 'ACCEPT');
  return (rule?.['action'] ?? policy) === 'ACCEPT';
}

function fits(rule: FakeRule, card: string, flow: FakeFlow): boolean {
  const isIn = flow.direction === 'in';
  const far = isIn ? rule['source'] : rule['dest'];
  const [farPort, nearPort] = isIn ? [rule['sport'], rule['dport']] : [rule['dport'], rule['sport']];
  return (
    rule['type'] === flow.direction &&
    (rule['iface'] ?? card) === card &&
    (rule['proto'] ?? flow.proto) === flow.proto &&
    (farPort === undefined || Number(farPort) === flow.peerPort) &&
    (nearPort === undefined || Number(nearPort) === flow.ownPort) &&
    (far === undefined || isWithin(flow.peer, far))
  );
}

function isWithin(address: string, block: string): boolean {
  const [first = '', bits] = block.split('/');
  const family = isIPv6(first) ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(first, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
