// Who acts on a VM's port of a Linux bridge: nftables, which takes one transaction and is asked before all others; or libvirt's
// network filters, for a VM of libvirt's where nftables cannot be used, or where they were asked for.
import type { Problem } from '../../kit/problem.ts';

export type BridgeEnforcer = 'nftables' | 'nwfilter';

/** A VM as libvirt knows it. */
export interface LibvirtGuest {
  /** libvirt's read-write unix socket. */
  readonly socket: string;
  readonly uuid: string;
}

export interface BridgeChoice {
  /** What the operator asked for; null = nothing. */
  readonly asked: BridgeEnforcer | null;
  /** Null = the VM is not libvirt's. */
  readonly libvirt: LibvirtGuest | null;
  /** What stands in the way of nft; null = nothing. */
  readonly nft: () => Promise<Problem | null>;
}

export async function bridgeEnforcer({ asked, libvirt, nft }: BridgeChoice): Promise<BridgeEnforcer> {
  // nft says itself why it cannot.
  if (libvirt === null || asked === 'nftables') return 'nftables';
  return asked === 'nwfilter' || (await nft()) !== null ? 'nwfilter' : 'nftables';
}
