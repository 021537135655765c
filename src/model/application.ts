// Applications as the user groups them: a scope is an application, a service a tier of it, a member a VM in a service.
import { Type, type Static } from 'typebox';
import { Name, VmId } from './name.ts';
import { ResponsePolicy } from './response-policy.ts';
import { Rule } from './rule.ts';

/** capture = learn; detect = alarm only; protect = alarm and let the rules act. */
export const Mode = Type.Enum(['capture', 'detect', 'protect']);
export type Mode = Static<typeof Mode>;

/**
 * sweeps = looks every few milliseconds to seconds; traced = the guest is stopped for a moment at each process start and
 * connection, so that none is missed.
 */
export const Sight = Type.Enum(['sweeps', 'traced']);
export type Sight = Static<typeof Sight>;

export const Member = Type.Object({
  vm: VmId,
  name: Type.String({ maxLength: 256, description: 'the VM name when it was last seen' }),
});
export type Member = Static<typeof Member>;

export const Service = Type.Object({
  name: Name,
  description: Type.String({ maxLength: 2000 }),
  members: Type.Array(Member, { maxItems: 10_000 }),
  /** Named as members before any VM of that name or id appeared; each joins when it does. */
  awaited: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 10_000 }),
  rules: Type.Array(Rule, { maxItems: 100 }),
  /** How far answers may go; absent = the limits every service has. */
  response: Type.Optional(ResponsePolicy),
  /** How closely its members are watched; a rule that acts inline has them traced in protect whatever stands here. */
  sight: Sight,
});
export type Service = Static<typeof Service>;

export const Scope = Type.Object({
  name: Name,
  description: Type.String({ maxLength: 2000 }),
  mode: Mode,
  services: Type.Array(Service, { maxItems: 1000 }),
});
export type Scope = Static<typeof Scope>;
