// What a kernel says of its own condition, shown beside the checks: none of it is wrong by itself, all of it matters to whoever reads.
// Source: Documentation/admin-guide/tainted-kernels.rst and include/linux/security.h in Linux.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelLook } from './kernel-look.ts';
import { atOffset, chainNodes, follow, listNodes, locate, plus } from './hooks/kernel-pointer.ts';

export interface KernelState {
  /** Words for the flags that are set, such as `out-of-tree module`; null when it cannot be read. */
  readonly tainted: readonly string[] | null;
  /** How far the kernel keeps root out of itself; null when it cannot be told. */
  readonly lockdown: 'none' | 'integrity' | 'confidentiality' | null;
  /** Network interfaces that take in what is not for them. */
  readonly promiscuousInterfaces: readonly string[];
  /** Sockets that see packets as they pass (tcpdump, DHCP clients). */
  readonly packetSockets: number;
  /** Where probes stand. */
  readonly probes: readonly string[];
}

const taints = [
  'proprietary module',
  'module loaded by force',
  'out of specification',
  'module unloaded by force',
  'machine check',
  'bad page',
  'set by a user',
  'died before',
  'ACPI table replaced',
  'warning',
  'staging driver',
  'firmware workaround',
  'out-of-tree module',
  'unsigned module',
  'soft lockup',
  'live patched',
  'auxiliary',
  'randomised structures',
  'test module',
  'in-kernel test',
] as const;
/** Largest reason of each kind in `enum lockdown_reason`, which distributions do not reorder: integrity reasons come first. */
const integrityReasonsMax = 20;
const interfacesMax = 4096;
const namespacesMax = 512;
const socketsMax = 10_000;
const probesMax = 64;

export function readKernelState(look: KernelLook): KernelState {
  return {
    tainted: readTaints(look),
    lockdown: readLockdown(look),
    ...readNetwork(look),
    probes: look.probes.slice(0, probesMax).map(({ offset }) => look.names.ofOffset(offset)),
  };
}

function readTaints(look: KernelLook): readonly string[] | null {
  const mask = look.baseline.map.landmarks.tainted_mask;
  if (mask === undefined) return null;
  const bits = look.space.pages.u32(look.space.image.textPhysical + mask);
  return taints.filter((_, bit) => ((bits >>> bit) & 1) === 1);
}

function readLockdown(look: KernelLook): KernelState['lockdown'] {
  const at = look.baseline.map.landmarks.kernel_locked_down;
  if (at === undefined) return null;
  const reason = look.space.pages.u32(look.space.image.textPhysical + at);
  if (reason === 0) return 'none';
  return reason <= integrityReasonsMax ? 'integrity' : 'confidentiality';
}

function readNetwork(look: KernelLook): Pick<KernelState, 'promiscuousInterfaces' | 'packetSockets'> {
  const { space, baseline } = look;
  const { fields } = space.profile;
  const head = baseline.map.landmarks.net_namespace_list;
  const names: string[] = [];
  let packetSockets = 0;
  let interfacesLeft = interfacesMax;
  if (head === undefined) return { promiscuousInterfaces: names, packetSockets };
  const [devices, link, name, promiscuity, sockets] = [
    fields['net.dev_base_head'],
    fields['net_device.dev_list'],
    fields['net_device.name'],
    fields['net_device.promiscuity'],
    fields['net.packet.sklist'],
  ];
  for (const node of listNodes(space, atOffset(space, head), namespacesMax).nodes) {
    const net = plus(node, -fields['net.list']);
    if (sockets !== undefined)
      packetSockets += chainNodes(space, follow(space, plus(net, sockets)), 0, socketsMax - packetSockets).nodes.length;
    if (devices === undefined || link === undefined || name === undefined || promiscuity === undefined) continue;
    const { nodes } = listNodes(space, plus(net, devices), interfacesLeft);
    interfacesLeft -= nodes.length;
    for (const device of nodes) {
      const count = locate(space, plus(device, promiscuity - link));
      const text = locate(space, plus(device, name - link));
      if (count !== nowhere && text !== nowhere && space.pages.u32(count) > 0) names.push(space.pages.text(text, 16));
    }
  }
  return { promiscuousInterfaces: names, packetSockets };
}
