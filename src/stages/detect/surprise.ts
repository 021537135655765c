// How unusual an activity is for the VM, allowed or not, in bits: what is allowed may still be done at a rate nobody has seen.
// Summed over a stretch of time it tells somebody else at work who uses only what is known.
import { frequenciesOf, missingMass, observationsIn, richness } from '../../kit/unseen-species.ts';
import type { Activity } from '../../model/observation.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { EntryIndex } from './entry-index.ts';

type Kind = Activity['kind'];

/** How often each kind of activity was seen in all, and what a new one is worth. */
export interface Usage {
  readonly observations: number;
  readonly missing: number;
  readonly richness: number;
}

export function usageOf(index: EntryIndex): ReadonlyMap<Kind, Usage> {
  return new Map(
    [...Map.groupBy(index.entries, ({ behaviour }) => behaviour.kind)].map(([kind, entries]) => {
      const frequencies = frequenciesOf(
        entries.map(({ provenance }) => provenance.count ?? 0).filter((count) => count > 0),
      );
      // One observation more, of something new: so that little seen never passes for all seen.
      const observations = observationsIn(frequencies) + 1;
      const missing = (missingMass(frequencies) * (observations - 1) + 1) / observations;
      return [kind, { observations, missing, richness: Math.max(1, richness(frequencies)) }];
    }),
  );
}

/**
 * Minus the logarithm of the probability that the next activity of its kind is such a one. A new one shares the mass of the unseen
 * with as many as there are estimated to be, so that naming it costs no less than naming a rare known one. `entry` null = nothing
 * allows it.
 */
export function bitsOf(usage: Usage | undefined, entry: ManifestEntry | null): number {
  if (usage === undefined) return 0;
  const { observations, missing, richness: species } = usage;
  const times = entry?.provenance.count ?? 0;
  const probability = times === 0 ? missing / species : (times / observations) * (1 - missing);
  return -Math.log2(Math.max(probability, Number.MIN_VALUE));
}
