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

export interface Prediction {
  readonly expected: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
}

/** Terms of the series that are summed when looking further ahead than back. */
const termsMax = 60;

/**
 * How many new species the next observations will bring, `ahead` times as many as were seen (Good and Toulmin 1956). Looking further ahead than what was seen
 * the series diverges, so its terms are weighed by a binomial tail (Efron and Thisted 1976, with the choice of Orlitsky, Suresh
 * and Wu 2016). The interval is Poisson's around the variance that Good and Toulmin give.
 *
 * `most` = more cannot come.
 */
export function predictNew(frequencies: Frequencies, ahead: number, most: number): Prediction {
  const seen = observationsIn(frequencies);
  if (seen === 0) return { expected: most, low: 0, high: most };
  const weights = ahead <= 1 ? null : tailWeights(ahead, seen);
  let expected = 0;
  let variance = 0;
  for (const [times, species] of frequencies) {
    if (times > termsMax) continue;
    const term = -((-ahead) ** times) * (weights?.[times] ?? (weights === null ? 1 : 0));
    expected += term * species;
    variance += term ** 2 * species;
  }
  const bounded = Math.min(most, Math.max(0, expected));
  // New species are events themselves, over and above what the estimate does not know.
  const half = 1.96 * Math.sqrt(variance + bounded);
  return { expected: bounded, low: Math.max(0, bounded - half), high: Math.min(most, bounded + half + 3) };
}

/** P(L >= times) of a binomial variable with k = log2(n t^2 / (t - 1)) / 2 trials and success 2 / (2 + t). */
function tailWeights(ahead: number, seen: number): readonly number[] {
  const trials = Math.max(1, Math.floor(0.5 * Math.log2((seen * ahead ** 2) / (ahead - 1))));
  const success = 2 / (2 + ahead);
  const weights: number[] = [];
  let tail = 1;
  let probability = (1 - success) ** trials;
  for (let times = 0; times <= Math.min(trials, termsMax); times += 1) {
    weights.push(tail);
    tail = Math.max(0, tail - probability);
    probability *= ((trials - times) / (times + 1)) * (success / (1 - success));
  }
  return weights;
}
