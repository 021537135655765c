// Entries of a manifest that are no longer used: proposed for retirement with what it would have alarmed on, and remembered once
// a person has retired them.
import { Type, type Static } from 'typebox';
import { Behaviour } from './behaviour.ts';
import { ManifestEntry } from './manifest.ts';
import { IsoTime, Name } from './name.ts';
import { ServiceReplay } from './scope-replay.ts';

export const UnusedEntry = Type.Object({
  entry: ManifestEntry,
  lastUsedAt: IsoTime,
  /** Days since then in which a use would have been told, of the member that was watched least. */
  quietDays: Type.Number({ minimum: 0 }),
  /** Days it had to be quiet to be called unused. */
  neededDays: Type.Number({ minimum: 0 }),
  /** What that rests on, in a clause. */
  why: Type.String(),
});
export type UnusedEntry = Static<typeof UnusedEntry>;

/** An entry that a person took out because it was not used. Learned anew after that, it is believed again. */
export const RetiredEntry = Type.Object({
  entry: Type.String({ maxLength: 64 }),
  behaviour: Behaviour,
  lastUsedAt: IsoTime,
  by: Type.String({ maxLength: 256 }),
  at: IsoTime,
});
export type RetiredEntry = Static<typeof RetiredEntry>;

export const ServiceRetirement = Type.Object({
  service: Name,
  /** Entries of its manifests, and how many of them may be proposed at all: those that were learned. */
  entries: Type.Integer({ minimum: 0 }),
  learned: Type.Integer({ minimum: 0 }),
  unused: Type.Array(UnusedEntry),
  /** Under the manifest without them; `judged` counts what is kept of the time asked about. */
  replay: ServiceReplay,
  retired: Type.Array(RetiredEntry),
  notes: Type.Array(Type.String()),
});
export type ServiceRetirement = Static<typeof ServiceRetirement>;

export const Retirement = Type.Object({
  scope: Name,
  /** Days without use that are asked for at least. */
  afterDays: Type.Integer(),
  /** Days that are replayed. */
  replayDays: Type.Integer(),
  services: Type.Array(ServiceRetirement),
});
export type Retirement = Static<typeof Retirement>;

/** What retiring entries did, or would do. */
export const Retired = Type.Object({
  preview: Type.Boolean(),
  retired: Type.Array(UnusedEntry),
  replay: ServiceReplay,
  issued: Type.Array(Type.Object({ vm: Type.String(), name: Type.String(), generation: Type.Integer() })),
});
export type Retired = Static<typeof Retired>;
