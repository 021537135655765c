// An entry that was learned, or brought by a change, and is not believed yet: it stands in no manifest until a person takes it in.
import { Type, type Static } from 'typebox';
import { Behaviour } from './behaviour.ts';
import { IsoTime, Name, VmId } from './name.ts';

/** capture = it was learned and is doubtful: it looks like an attack, or is of a member unlike the others; change = a change admitted it while its window was open. */
export const HeldSource = Type.Enum(['capture', 'change']);
export type HeldSource = Static<typeof HeldSource>;

/** rejected = it stays out, however often it is learned again. */
export const EntryVerdict = Type.Enum(['accepted', 'rejected']);
export type EntryVerdict = Static<typeof EntryVerdict>;

export const EntryDecision = Type.Object({
  verdict: EntryVerdict,
  by: Type.String({ maxLength: 256 }),
  at: IsoTime,
});
export type EntryDecision = Static<typeof EntryDecision>;

export const HeldEntry = Type.Object({
  /** The id it would have in a manifest. */
  id: Type.String({ maxLength: 64 }),
  scope: Name,
  service: Name,
  source: HeldSource,
  behaviour: Behaviour,
  /** Why it waits, in a clause. */
  why: Type.String(),
  /** The change that admitted it, the latest one when there were several. */
  change: Type.Union([Type.String({ maxLength: 64 }), Type.Null()]),
  /** The highest risk it was rated at, from 0 to 100; null = it was learned, which rates nothing. */
  risk: Type.Union([Type.Number(), Type.Null()]),
  count: Type.Integer({ minimum: 1 }),
  firstAt: IsoTime,
  lastAt: IsoTime,
  members: Type.Array(VmId),
  /** Null = it waits. */
  decision: Type.Union([EntryDecision, Type.Null()]),
});
export type HeldEntry = Static<typeof HeldEntry>;

/** What deciding did: which entries, and the manifests that were issued because of it. */
export const Decided = Type.Object({
  verdict: EntryVerdict,
  entries: Type.Array(HeldEntry),
  issued: Type.Array(Type.Object({ vm: Type.String(), name: Type.String(), generation: Type.Integer() })),
});
export type Decided = Static<typeof Decided>;
