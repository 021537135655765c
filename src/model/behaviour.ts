// What is allowed or was learned: an activity generalised to patterns. Patterns are text in the language of src/pattern,
// so that a person can read a manifest and a program can print one.
import { Type, type Static } from 'typebox';
import { Protocol } from './observation.ts';

/** Path pattern: `/usr/bin/*`, `/opt/**`, `/tmp/<tmp>`; `?` = unknown or any executable. */
export const PathPattern = Type.String({ minLength: 1, maxLength: 8192 });
/** One token template for each argument; a last `<rest>` takes any number more. */
export const ArgvPattern = Type.Array(Type.String({ maxLength: 131_072 }), { maxItems: 4096 });
/** `0`, `33`, or `any`. */
export const UserPattern = Type.String({ pattern: '^([0-9]{1,10}|any)$' });
/** `8080`, `8000-8010`, `ephemeral` or `any`. */
export const PortPattern = Type.String({ pattern: '^([0-9]{1,5}(-[0-9]{1,5})?|ephemeral|any)$' });
/** An address, a CIDR block, `loopback`, `link-local`, `internet` (every address that is not private) or `any`. */
export const PeerPattern = Type.String({ minLength: 1, maxLength: 256 });

export const ProcessBehaviour = Type.Object({
  kind: Type.Literal('process'),
  exe: PathPattern,
  argv: ArgvPattern,
  user: UserPattern,
  parent: PathPattern,
});
export type ProcessBehaviour = Static<typeof ProcessBehaviour>;

export const OutboundBehaviour = Type.Object({
  kind: Type.Literal('outbound'),
  exe: PathPattern,
  proto: Protocol,
  peer: PeerPattern,
  port: PortPattern,
});
export type OutboundBehaviour = Static<typeof OutboundBehaviour>;

/** `port` is the local one; `peer` who comes. */
export const InboundBehaviour = Type.Object({
  kind: Type.Literal('inbound'),
  exe: PathPattern,
  proto: Protocol,
  peer: PeerPattern,
  port: PortPattern,
});
export type InboundBehaviour = Static<typeof InboundBehaviour>;

export const ListenBehaviour = Type.Object({
  kind: Type.Literal('listen'),
  exe: PathPattern,
  proto: Protocol,
  port: PortPattern,
});
export type ListenBehaviour = Static<typeof ListenBehaviour>;

export const Behaviour = Type.Union([ProcessBehaviour, OutboundBehaviour, InboundBehaviour, ListenBehaviour]);
export type Behaviour = Static<typeof Behaviour>;
