// Names and ids as they travel between rooms: what a scope or service may be called, how a VM is told apart.
import { Type, type Static } from 'typebox';

/** Lower-case words as in DNS labels, so that a name fits into paths, URLs and syslog fields unquoted. */
export const Name = Type.String({
  pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$',
  description: 'lower-case letters, digits, dot, dash, underscore; 64 at most',
});
export type Name = Static<typeof Name>;

/**
 * One VM over its life: the hypervisor's UUID in lower case; where the hypervisor gives none, `name:NAME`.
 * Survives restart, revert, rename (UUID form) and migration; a clone has its own.
 */
export const VmId = Type.String({
  pattern: '^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|name:.{1,128})(#[0-9]+)?$',
  description: 'VM UUID, or name:NAME; #PID behind it marks a second running VM that claims the same identity',
});
export type VmId = Static<typeof VmId>;

/** ISO 8601, UTC, milliseconds: 2026-11-21T21:05:00.000Z. */
export const IsoTime = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?Z$',
  description: 'ISO 8601 time in UTC',
});
export type IsoTime = Static<typeof IsoTime>;
