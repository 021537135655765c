// Where to listen so that each VM's traffic is seen once: at its switch where that tells us, at its own device otherwise. Pure.
import type { HostLink } from '../../protocols/iproute/host-links.ts';
import type { OvsBridge } from './ovs-database.ts';
import type { Exported } from './ovs-export.ts';
import type { TapTarget } from './tap-source.ts';
import type { VmInterfaces } from './vm-interfaces.ts';

export interface VmOnHost {
  readonly vm: string;
  /** Process id of its QEMU. */
  readonly pid: number;
}

export interface PluggedVm extends VmOnHost {
  readonly interfaces: VmInterfaces;
}

export interface Surroundings {
  readonly ownNamespace: string;
  readonly linksOf: (namespace: string) => readonly HostLink[];
  /** Null where there is no Open vSwitch, or it lives in another network namespace than we do and cannot reach us. */
  readonly bridges: readonly OvsBridge[] | null;
  /** What a bridge of Open vSwitch was found to tell us; absent = not asked yet. */
  readonly exported: ReadonlyMap<string, Exported>;
  /** Network namespaces in which connection tracking counts for us. */
  readonly tracked: ReadonlySet<string>;
}

/** How one device of one VM is seen. */
export interface Coverage {
  readonly vm: string;
  readonly device: string;
  readonly by: 'switch' | 'switch and tap' | 'connection tracking and tap' | 'tap' | null;
  /** Why it is not seen; null when it is. */
  readonly why: string | null;
}

export interface ListeningPoints {
  /** Bridges of Open vSwitch to be heard, each with the VMs on it. */
  readonly switches: ReadonlyMap<string, ReadonlySet<string>>;
  readonly taps: readonly TapTarget[];
  readonly coverage: readonly Coverage[];
}

export function chooseListeningPoints(vms: readonly PluggedVm[], around: Surroundings): ListeningPoints {
  const switches = new Map<string, Set<string>>();
  const taps: TapTarget[] = [];
  const coverage: Coverage[] = [];
  for (const { vm, pid, interfaces } of vms) {
    const { namespace } = interfaces;
    const links = around.linksOf(namespace);
    const namespacePid = namespace === around.ownNamespace ? null : pid;
    const byIndex = interfaces.macvtaps.flatMap((index) => links.find((link) => link.index === index)?.name ?? []);
    for (const device of [...interfaces.taps, ...byIndex]) {
      const bridge = namespacePid === null ? around.bridges?.find(({ ports }) => ports.has(device)) : undefined;
      const told = bridge === undefined ? undefined : around.exported.get(bridge.name);
      const hears = bridge !== undefined && (told === undefined || told.ipfix || told.sflow);
      if (hears) {
        const members = switches.get(bridge.name) ?? new Set();
        switches.set(bridge.name, members.add(vm));
      }
      const sees = hears && told?.sflow !== false;
      const tracked =
        !hears && around.tracked.has(namespace) && links.some((it) => it.name === device && it.bridge !== null);
      if (!sees) taps.push({ vm, device, namespacePid, scope: hears || tracked ? 'openings' : 'all' });
      coverage.push({ vm, device, by: seenBy(hears, sees, tracked), why: null });
    }
    for (const way of interfaces.unseen)
      coverage.push({ vm, device: way, by: null, why: `traffic by ${way} passes no device of the host` });
  }
  return { switches, taps, coverage };
}

function seenBy(hears: boolean, sees: boolean, tracked: boolean): Coverage['by'] {
  if (hears) return sees ? 'switch' : 'switch and tap';
  return tracked ? 'connection tracking and tap' : 'tap';
}
