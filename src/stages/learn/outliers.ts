// Members that do not behave like the others of their service. A profile pools what its members do on the word that they are alike;
// one that is not contributes nothing by itself, and what only it does is for a person to look at.
import type { Profile } from '../../model/profile.ts';

export interface Outlier {
  readonly vm: string;
  /** Share of what it and most members do, together, on which they disagree: 0 = alike, 1 = nothing in common. */
  readonly disagreement: number;
  /** Ids of entries that nobody else showed. */
  readonly alone: readonly string[];
}

/** With fewer nobody can say who of them is the odd one. */
const membersMin = 3;
const disagreementMin = 0.5;
/** So much more than members of this service disagree anyhow. */
const beyondOthers = 2;
/** A job or two of its own make nobody another kind of machine. */
const aloneMin = 3;

interface Shown {
  own: number;
  shared: number;
  readonly alone: string[];
}

export function outliersOf(profile: Profile): readonly Outlier[] {
  const entries = Object.entries(profile.entries);
  const shown = new Map<string, Shown>();
  for (const [, { members }] of entries) for (const vm of members) shown.set(vm, { own: 0, shared: 0, alone: [] });
  if (shown.size < membersMin) return [];
  let common = 0;
  for (const [id, { members }] of entries) {
    // More than half of the members show it.
    const isCommon = members.length * 2 > shown.size;
    if (isCommon) common += 1;
    for (const vm of members) {
      const member = shown.get(vm);
      if (member === undefined) continue;
      member.own += 1;
      if (isCommon) member.shared += 1;
      if (members.length === 1) member.alone.push(id);
    }
  }
  const judged = [...shown].map(([vm, { own, shared, alone }]) => {
    // Jaccard (1912): one less the shared part of the whole.
    return { vm, disagreement: 1 - shared / (own + common - shared), alone };
  });
  const sorted = judged.map(({ disagreement }) => disagreement).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return judged
    .filter(({ disagreement }) => disagreement > Math.max(disagreementMin, beyondOthers * median))
    .filter(({ alone }) => alone.length >= aloneMin)
    .sort((a, b) => (a.vm < b.vm ? -1 : 1));
}
