// What one entry of a manifest admits beyond what was seen, by examples, and what it rests on.
import { Type, type Static } from 'typebox';
import { ManifestEntry } from './manifest.ts';
import { ProfileEntry } from './profile.ts';

/** A part of an entry that stands for more than one value. */
export const WidePart = Type.Object({
  /** exe, argv[2], user, parent, peer, port. */
  field: Type.String(),
  pattern: Type.String(),
  /** Values it admits and does not admit; every one was asked of the matcher itself. */
  admits: Type.Array(Type.String()),
  refuses: Type.Array(Type.String()),
});
export type WidePart = Static<typeof WidePart>;

export const EntryExplanation = Type.Object({
  entry: ManifestEntry,
  says: Type.String(),
  /** Empty = it admits one thing only. */
  wide: Type.Array(WidePart),
  /** Arguments that are code, which are never widened: there the text is the identity. */
  code: Type.Array(Type.String()),
  /** What was learned of the kind that it admits, the most frequent first. */
  learned: Type.Array(ProfileEntry),
  learnedMore: Type.Integer({ minimum: 0 }),
});
export type EntryExplanation = Static<typeof EntryExplanation>;
