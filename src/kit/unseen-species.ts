// How much there is that was never seen, told from how often the rest was: the statistics of species, which know nothing of what
// is counted.

/** How many species were seen exactly `times` times. */
export type Frequencies = ReadonlyMap<number, number>;

export function frequenciesOf(counts: Iterable<number>): Frequencies {
  const frequencies = new Map<number, number>();
  for (const count of counts) frequencies.set(count, (frequencies.get(count) ?? 0) + 1);
  return frequencies;
}

export function observationsIn(frequencies: Frequencies): number {
  let sum = 0;
  for (const [times, species] of frequencies) sum += times * species;
  return sum;
}

/**
 * The probability that the next observation is of a species never seen: the share of observations that were the only one of
 * their species (Good 1953, "The population frequencies of species"). 1 when nothing was seen.
 */
export function missingMass(frequencies: Frequencies): number {
  const observations = observationsIn(frequencies);
  return observations === 0 ? 1 : (frequencies.get(1) ?? 0) / observations;
}

/** How many species there are, seen and unseen: the bias-corrected lower bound of Chao (1984, 2005), Chao1. */
export function richness(frequencies: Frequencies): number {
  let seen = 0;
  for (const species of frequencies.values()) seen += species;
  const once = frequencies.get(1) ?? 0;
  return seen + (once * (once - 1)) / (2 * ((frequencies.get(2) ?? 0) + 1));
}
