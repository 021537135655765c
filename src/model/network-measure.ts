// What can be done about a VM on the network, outside the guest: values that a plan carries and a switch is given.
import { Type, type Static } from 'typebox';
import { IsoTime, VmId } from './name.ts';

/** An IPv4 or IPv6 address, or a block of them in CIDR form. Whoever writes it into a switch parses it again. */
export const AddressBlock = Type.String({
  pattern: '^[0-9a-fA-F.:]{2,45}(/[0-9]{1,3})?$',
  description: 'IP address or CIDR block',
});

/** A network card of a VM, as its host sees it. */
export const VmPort = Type.Object({
  vm: VmId,
  /** The host's device (a tap); the same name after a restart of the VM where its owner gave it one. */
  interface: Type.String({ minLength: 1, maxLength: 15, description: 'name of the host device' }),
  /** As the hypervisor gave it, lower case with colons; the guest may take another. */
  mac: Type.String({ pattern: '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$' }),
  /** Addresses the VM is known to have; empty = not known. */
  addresses: Type.Array(AddressBlock, { maxItems: 64 }),
  /** Addresses that the VM itself was seen to use: it may be asked for by them, and nothing else follows from them. */
  claimed: Type.Optional(Type.Array(AddressBlock, { maxItems: 16 })),
  /** Linux bridge or Open vSwitch bridge it is plugged into; null = neither. */
  bridge: Type.Union([Type.String({ minLength: 1, maxLength: 15 }), Type.Null()]),
});
export type VmPort = Static<typeof VmPort>;

/** Everything to and from the VM is dropped, management apart. */
export const Quarantine = Type.Object({
  kind: Type.Literal('quarantine'),
  /** Who may still talk to the VM and be talked to. Empty = nobody. */
  management: Type.Array(AddressBlock, { maxItems: 64 }),
  /** Routers on the way to management: their hardware addresses may be asked for, nothing else. */
  routers: Type.Optional(Type.Array(AddressBlock, { maxItems: 16 })),
});
export type Quarantine = Static<typeof Quarantine>;

/** One peer's connections of one kind are dropped, both ways, for a time. */
export const BlockFlow = Type.Object({
  kind: Type.Literal('block-flow'),
  peer: AddressBlock,
  proto: Type.Enum(['tcp', 'udp', 'any']),
  /** Of the side that was connected to; null = every port. */
  port: Type.Union([Type.Integer({ minimum: 1, maximum: 65_535 }), Type.Null()]),
  /** Whether the VM connects to the peer's port, or the peer to the VM's. */
  direction: Type.Enum(['outbound', 'inbound']),
  expiresAt: IsoTime,
});
export type BlockFlow = Static<typeof BlockFlow>;

/** The VM's packets are kept as evidence, until a limit is reached. */
export const Capture = Type.Object({
  kind: Type.Literal('capture'),
  seconds: Type.Integer({ minimum: 1, maximum: 3600 }),
  bytes: Type.Integer({ minimum: 1024, maximum: 1_073_741_824 }),
});
export type Capture = Static<typeof Capture>;

/**
 * The VM's port is moved behind an inspection point, which has the only way out: on a host a bridge; through a platform what its
 * configuration calls by that name.
 */
export const Reroute = Type.Object({
  kind: Type.Literal('reroute'),
  through: Type.String({ minLength: 1, maxLength: 15, description: 'bridge on the VM side of the inspection' }),
});
export type Reroute = Static<typeof Reroute>;

export const NetworkMeasure = Type.Union([Quarantine, BlockFlow, Capture, Reroute]);
export type NetworkMeasure = Static<typeof NetworkMeasure>;
export type NetworkMeasureKind = NetworkMeasure['kind'];
