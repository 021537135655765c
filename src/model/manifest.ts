// The signed, versioned set of behaviours one VM may show, each with its provenance, and the orders that travel with it.
import { Type, type Static } from 'typebox';
import { Mode, Sight } from './application.ts';
import { Behaviour } from './behaviour.ts';
import { ChangeWindow, changeWindowsMax } from './change.ts';
import { IsoTime, Name, VmId } from './name.ts';
import { ResponsePolicy } from './response-policy.ts';
import { Rule } from './rule.ts';

/** In falling weight: declared > package > knowledge > learned > approved by whom. */
export const Provenance = Type.Object({
  kind: Type.Enum(['declared', 'package', 'knowledge', 'learned', 'approved']),
  /** Who approved, or which source declared. */
  by: Type.Optional(Type.String({ maxLength: 256 })),
  at: IsoTime,
  /** How often and on how many members it was seen, when learned. */
  count: Type.Optional(Type.Integer({ minimum: 0 })),
  members: Type.Optional(Type.Integer({ minimum: 0 })),
  /** The alarm that was allowed, when approved. */
  alarm: Type.Optional(Type.String({ maxLength: 128 })),
});
export type Provenance = Static<typeof Provenance>;

export const ManifestEntry = Type.Object({
  id: Type.String({ maxLength: 64 }),
  behaviour: Behaviour,
  provenance: Provenance,
});
export type ManifestEntry = Static<typeof ManifestEntry>;

export const Manifest = Type.Object({
  format: Type.Literal('plumbline.manifest/1'),
  vm: VmId,
  vmName: Type.String({ maxLength: 256 }),
  scope: Name,
  service: Name,
  mode: Mode,
  /** Absent = sweeps. */
  sight: Type.Optional(Sight),
  /** Rises by at least one with each issue; a sentinel never accepts a lower one than it has held. */
  generation: Type.Integer({ minimum: 1 }),
  issuedAt: IsoTime,
  entries: Type.Array(ManifestEntry, { maxItems: 200_000 }),
  /** Standing orders: the service's automatic rules, which the sentinel carries out also while the manager is away. */
  orders: Type.Array(Rule, { maxItems: 100 }),
  /** How far the orders may go; absent = the limits every service has. */
  response: Type.Optional(ResponsePolicy),
  /** Changes that somebody declared and whose time is not over; absent = none. */
  changes: Type.Optional(Type.Array(ChangeWindow, { maxItems: changeWindowsMax })),
});
export type Manifest = Static<typeof Manifest>;

/** A DSSE envelope (https://github.com/secure-systems-lab/dsse): payload is the manifest as canonical JSON, base64. */
export const SealedManifest = Type.Object({
  payloadType: Type.String({ maxLength: 256 }),
  payload: Type.String({ maxLength: 512 * 1024 * 1024 }),
  signatures: Type.Array(
    Type.Object({ keyid: Type.String({ maxLength: 256 }), sig: Type.String({ maxLength: 1024 }) }),
    { minItems: 1, maxItems: 16 },
  ),
});
export type SealedManifest = Static<typeof SealedManifest>;

/** What `manifest diff` answers: by entry id, old against new. */
export const ManifestDiff = Type.Object({
  added: Type.Array(ManifestEntry),
  removed: Type.Array(ManifestEntry),
  unchanged: Type.Integer(),
});
export type ManifestDiff = Static<typeof ManifestDiff>;
