// One issued manifest as a person reads it: the sealed bytes, what they say, whether the seal holds, and what is doubtful.
import { Type, type Static } from 'typebox';
import { Severity } from './finding.ts';
import { Manifest, SealedManifest } from './manifest.ts';
import { IsoTime, VmId } from './name.ts';
import { Mode } from './application.ts';

export const ManifestReading = Type.Object({
  manifest: Manifest,
  sealed: SealedManifest,
  verified: Type.Boolean(),
  keyid: Type.Union([Type.String(), Type.Null()]),
  /** What a careful reader would object to: entries that admit too much, orders that may hurt. */
  notes: Type.Array(Type.Object({ severity: Severity, note: Type.String() })),
});
export type ManifestReading = Static<typeof ManifestReading>;

export const Generation = Type.Object({
  vm: VmId,
  generation: Type.Integer({ minimum: 1 }),
  kind: Type.Enum(['manifest', 'withdrawal']),
  mode: Type.Union([Mode, Type.Null()]),
  scope: Type.Union([Type.String(), Type.Null()]),
  service: Type.Union([Type.String(), Type.Null()]),
  entries: Type.Integer({ minimum: 0 }),
  issuedAt: IsoTime,
  /** Why it was issued: mode set, member added, alarm allowed ... */
  reason: Type.String(),
});
export type Generation = Static<typeof Generation>;
