// Proxmox VE as a platform: a node or a cluster, asked through any of its nodes, whose VMs are listed, paused, resumed, ended,
// kept as snapshots, taken back to one, cut off from their networks and kept from single peers.
import type { Clock } from '../../../kit/clock.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { proxmoxClient, type ProxmoxCredentials } from '../../../protocols/proxmox/proxmox-client.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { Platform, PlatformVm } from '../platform.ts';
import { listProxmoxVms } from './inventory.ts';
import { proxmoxEnforcer } from './proxmox-enforcer.ts';
import { proxmoxNetwork } from './proxmox-network.ts';
import { type VmPlace, vmNumber, vmPlace } from './vm-place.ts';

export interface ProxmoxPlatformSettings {
  readonly url: string;
  readonly credentials: ProxmoxCredentials;
  readonly fingerprint: string | null;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** For each question; 35 s unless given, which is longer than one node waits for another. */
  readonly timeoutMs?: number;
}

const bodyBytesMax = 32 * 1024 * 1024;
/** Memory is written or read whole: minutes for a large VM. */
const taskMsMax = 300_000;
const networksMax = 1000;

export function proxmoxPlatform(settings: ProxmoxPlatformSettings): Result<Platform> {
  const opened = proxmoxClient({ ...settings, timeoutMs: settings.timeoutMs ?? 35_000, bodyBytesMax });
  if (!opened.ok) return opened;
  const client = opened.value;
  const { clock, sleep } = settings;
  const monotonic = (): number => clock.monotonic();
  const patience = { clock, sleep, monotonic, deadlineMs: taskMsMax };
  const placeOf = ({ id, uuid }: PlatformVm): VmPlace =>
    vmPlace(client, { number: vmNumber(id) ?? '', uuid }, patience);
  // One for each VM, so that orders to the same VM wait for each other.
  const networks = new Map<string, NetworkEnforcer>();
  return ok({
    kind: 'proxmox',
    place: client.place,
    listVms: () => listProxmoxVms(client, { monotonic, configsMs: 60_000, agentsMs: 15_000 }),
    enforcer: (vm) => proxmoxEnforcer(placeOf(vm), patience),
    network(vm) {
      const key = `${vm.id} ${vm.uuid ?? ''}`;
      const network = networks.get(key) ?? proxmoxNetwork(client, placeOf(vm), patience);
      networks.delete(key);
      networks.set(key, network);
      for (const oldest of networks.keys()) if (networks.size > networksMax) networks.delete(oldest);
      return network;
    },
    close: async () => client.close(),
  });
}
