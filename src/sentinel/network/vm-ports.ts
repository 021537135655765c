// Where a VM is plugged in: its cards, the host's devices behind them, and the switch each device is on. A card that is on no switch we
// can act on is told with the reason, since a VM with a way out beside is not in quarantine.
import { existsSync, readlinkSync } from 'node:fs';
import type { Result } from '../../kit/result.ts';
import { ok } from '../../kit/result.ts';
import { nftObstacle } from '../../connectors/enforcement/nftables/nft-access.ts';
import { bridgesOfSwitch } from '../../connectors/enforcement/openvswitch/switch-state.ts';
import { networkCards, type NetworkCard } from '../../introspection/hypervisor/network-cards.ts';
import type { VmPort } from '../../model/network-measure.ts';
import { type HostLink, readLinks } from '../../protocols/iproute/host-links.ts';
import { switchDaemonPid } from '../../protocols/ovsdb/switch-daemon.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { bridgeEnforcer, type BridgeEnforcer, type LibvirtGuest } from './bridge-enforcer.ts';

export interface PluggedPort {
  readonly port: VmPort;
  /** Null = no switch that can be told anything; `why` says what is in the way. */
  readonly by: BridgeEnforcer | 'openvswitch' | null;
  readonly why: string | null;
  /** A process in the device's network namespace; null = ours. */
  readonly namespacePid: number | null;
  /** Of a VM on which libvirt acts. */
  readonly libvirt?: LibvirtGuest;
}

export interface VmPortsOptions {
  readonly vm: string;
  /** Of its QEMU process. */
  readonly pid: number;
  readonly monitor: Monitor;
  readonly addresses: readonly string[];
  /** Unix socket of Open vSwitch's database; there need be none. */
  readonly ovsDatabase: string;
  /** Null = the VM is not libvirt's. */
  readonly libvirt: LibvirtGuest | null;
  /** What the operator wants on Linux bridges; null = nothing. */
  readonly asked: BridgeEnforcer | null;
}

export async function vmPorts(options: VmPortsOptions): Promise<Result<readonly PluggedPort[]>> {
  const cards = await networkCards(options.monitor, options.pid);
  if (!cards.ok) return cards;
  if (cards.value.length === 0) return ok([]);
  const namespace = namespaceOf(options.pid);
  const namespacePid = namespace === namespaceOf('self') ? null : options.pid;
  const links = await readLinks(namespacePid);
  if (!links.ok) return links;
  const switched = await switchedDevices(options.ovsDatabase, namespace);
  if (!switched.ok) return switched;
  const { asked, libvirt } = options;
  const bridged = await bridgeEnforcer({ asked, libvirt, nft: () => nftObstacle(namespacePid) });
  const ground = { links: links.value, switched: switched.value, namespacePid, bridged };
  return ok(cards.value.map((card) => plugged(card, options, ground)));
}

interface Ground {
  readonly links: readonly HostLink[];
  readonly switched: ReadonlyMap<string, string>;
  readonly namespacePid: number | null;
  readonly bridged: BridgeEnforcer;
}

function plugged(
  { mac, device, kind }: NetworkCard,
  { vm, addresses, libvirt }: VmPortsOptions,
  { links, switched, namespacePid, bridged }: Ground,
): PluggedPort {
  const link = links.find(({ name }) => name === device);
  const ovsBridge = device === null ? null : (switched.get(device) ?? null);
  const bridge = ovsBridge ?? link?.bridge ?? null;
  const port: VmPort = { vm, interface: device ?? mac, mac, addresses: [...addresses], bridge };
  const none = { port, by: null, namespacePid };
  if (kind === null) return { ...none, by: null, why: null };
  if (device === null) return { ...none, why: `card ${mac} is on \`${kind}\`, which no switch of this host carries` };
  if (bridge === null) return { ...none, why: `${device} of card ${mac} is on no bridge of this host` };
  if (ovsBridge !== null) return { port, by: 'openvswitch', why: null, namespacePid };
  const by = { port, by: bridged, why: null, namespacePid };
  return bridged === 'nwfilter' && libvirt !== null ? { ...by, libvirt } : by;
}

/** Device to bridge, as Open vSwitch says; nothing when none runs, or in another network namespace than the VM's. */
async function switchedDevices(
  database: string,
  namespace: string | null,
): Promise<Result<ReadonlyMap<string, string>>> {
  if (!existsSync(database)) return ok(new Map());
  const pid = switchDaemonPid(database);
  if (pid === null || namespaceOf(pid) !== namespace) return ok(new Map());
  return bridgesOfSwitch(database);
}

function namespaceOf(pid: number | 'self'): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}
