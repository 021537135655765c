// Whether a guest passes on packets that are not its own, as a router, a container host or a VPN server does.
import { nowhere, type KernelSpace } from '../kernel/kernel-space.ts';

const wordBytes = 4;
/** IPV4_DEVCONF_FORWARDING of include/uapi/linux/ip.h is 1 and the first of the array. */
const forwarding = 0;

/** `net.ipv4.ip_forward` of the initial network namespace; null when it cannot be read. */
export function readForwarding(space: KernelSpace): boolean | null {
  const { fields } = space.profile;
  const namespace = space.optionalSymbol('init_net');
  const settings = fields['net.ipv4.devconf_all'];
  const data = fields['ipv4_devconf.data'];
  if (namespace === null || settings === undefined || data === undefined) return null;
  const all = space.pointer(namespace + settings);
  if (all === nowhere) return null;
  const value = space.pages.u32(all + data + forwarding * wordBytes);
  // A switch: whatever is neither on nor off is no switch.
  return value > 1 ? null : value === 1;
}
