// The contract every remote virtualisation platform keeps: its VMs, what can be done to each and to its network cards, through the
// platform's own management server. It decides nothing and remembers nothing: the platform is the memory.
import type { Problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { VmPort } from '../../model/network-measure.ts';
import type { Enforcer } from './enforcer.ts';
import type { NetworkEnforcer } from './network-enforcer.ts';

export type PlatformKind = 'vsphere' | 'proxmox' | 'nsx';

export interface Platform {
  readonly kind: PlatformKind;
  /** Its address, as a person may read it. */
  readonly place: string;
  /** Never throws, as nothing here does. */
  listVms(): Promise<Result<PlatformInventory>>;
  /** Null where the platform has no say over VMs, only over their network. */
  enforcer(vm: PlatformVm): Enforcer | null;
  network(vm: PlatformVm): NetworkEnforcer;
  /** Begins at once and goes on over every trouble until it is closed; one at a time. Absent = it tells of no changes. */
  follow?(told: (news: PlatformNews) => void): FollowedPlatform;
  close(): Promise<void>;
}

/**
 * following = from now on every change is told, though not what changed before. changed = something about its VMs did, and asking
 * shows what. broken = no change is told until it says `following` again, which it goes on trying.
 */
export type PlatformNews =
  | { readonly kind: 'following' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'broken'; readonly why: Problem };

export interface FollowedPlatform {
  /** Tells nothing any more from when it is called; resolves when the other side knows that it has ended, or does not answer. */
  close(): Promise<void>;
}

export interface PlatformInventory {
  readonly vms: readonly PlatformVm[];
  /** There are more VMs than were read. */
  readonly isCut: boolean;
  /** What could not be read, and why: tags that the account may not see, a VM on a host that is down. */
  readonly gaps: readonly string[];
}

/** Names, tags and attributes are other people's text: anything may stand in them. */
export interface PlatformVm {
  /** The platform's own: `vm-42`, `qemu/100`. */
  readonly id: string;
  readonly name: string;
  /** UUID in lower case by which sentinels and other platforms know the same VM; null = it has none. */
  readonly uuid: string | null;
  readonly state: 'running' | 'suspended' | 'off' | 'unknown';
  readonly host: string | null;
  readonly addresses: readonly string[];
  readonly tags: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
  readonly cards: readonly PlatformCard[];
}

export interface PlatformCard {
  /** What the platform calls it within its VM: `4000`, `net0`. */
  readonly id: string;
  readonly mac: string;
  readonly network: string;
  readonly isConnected: boolean;
}

/** The port by which measures on a card are ordered: what stands for the host device is the card's id. */
export function portOf(vm: PlatformVm, card: PlatformCard): VmPort {
  return {
    vm: vm.uuid ?? `name:${vm.id}`,
    interface: card.id,
    mac: card.mac,
    addresses: vm.addresses.slice(0, 64),
    bridge: null,
  };
}

const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Null for what is no UUID, and for the one that says nothing. */
export function uuidOf(text: string | null): string | null {
  const uuid = text?.trim().toLowerCase() ?? '';
  return uuidForm.test(uuid) && !/^[0-]+$/.test(uuid) ? uuid : null;
}

/** Other people's text, short enough to keep. */
export function shortText(text: string): string {
  return text.slice(0, 4096);
}
