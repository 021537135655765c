// That entries of a manifest were used: how a sentinel tells what is still needed, entry by entry.
import { Type, type Static } from 'typebox';
import { IsoTime, VmId } from './name.ts';
import { Activity } from './observation.ts';

export const EntryUse = Type.Object({
  entry: Type.String({ maxLength: 64 }),
  count: Type.Integer({ minimum: 1 }),
  /** By the sentinel's clock: when it heard of it, or saw it stand. */
  firstAt: IsoTime,
  lastAt: IsoTime,
  /** One activity that the entry allowed; told once, not with each report. */
  sample: Type.Optional(Activity),
});
export type EntryUse = Static<typeof EntryUse>;

export const entryUsesMax = 10_000;

export const UseReport = Type.Object({
  vm: VmId,
  /**
   * Seconds since the last report in which whatever was done was seen. Absent = more of the same report follows. Time that was never
   * told so counts for nothing: an entry can be called unused only for time in which its use would have been told.
   */
  watchedSeconds: Type.Optional(Type.Number({ minimum: 0 })),
  entries: Type.Array(EntryUse, { maxItems: entryUsesMax }),
});
export type UseReport = Static<typeof UseReport>;
