// What a service was seen to do, all its members together, and how long they were really watched.
import { Type, type Static } from 'typebox';
import { Behaviour } from './behaviour.ts';
import { IsoTime, VmId } from './name.ts';

export const ProfileEntry = Type.Object({
  behaviour: Behaviour,
  count: Type.Integer({ minimum: 1 }),
  firstAt: IsoTime,
  lastAt: IsoTime,
  members: Type.Array(VmId, { maxItems: 10_000 }),
});
export type ProfileEntry = Static<typeof ProfileEntry>;

/** Seconds one member was watched, and for how many of them something may have gone unseen. */
export const Coverage = Type.Object({
  vm: VmId,
  observedSeconds: Type.Number({ minimum: 0 }),
  lossSeconds: Type.Number({ minimum: 0 }),
  missed: Type.Integer({ minimum: 0 }),
});
export type Coverage = Static<typeof Coverage>;

export const Profile = Type.Object({
  scope: Type.String(),
  service: Type.String(),
  /** Keyed by the behaviour's id (stages/learn says how it is made). */
  entries: Type.Record(Type.String(), ProfileEntry),
  coverage: Type.Array(Coverage, { maxItems: 10_000 }),
});
export type Profile = Static<typeof Profile>;
