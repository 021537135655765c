// How many kinds never seen before the next observations will bring, told from how such kinds came up until now. Nothing is known of
// what is counted.
//
// Observations are taken for draws from an urn of Pitman and Yor (1997): with N draws of K kinds behind it, the next is a new kind with
// probability (strength + discount K) / (strength + N), and one that was drawn c times with (c - discount) / (strength + N). Strength
// and discount are not chosen but averaged over, each pair weighed by how probable it makes the past. A machine is no urn: what
// happens once when it starts looks like the beginning of much more. So the forecasts that would have been made of the later parts of
// the past are held against what came, late ones more than early ones; the forecast is corrected by what they were wrong by, and made
// as uncertain as they were.
import { type Run, discounts } from './discovery-record.ts';

export interface Forecast {
  readonly expected: number;
  readonly variance: number;
}

const strengths = [0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256] as const;
const urns = discounts.flatMap((discount, at) => strengths.map((strength) => ({ discount, strength, at })));

type Urn = (typeof urns)[number];

/** Parts into which the past is cut to hold forecasts against it; the first two only teach. */
const partsMax = 10;
const taughtParts = 2;
/** Of a part's weight that the part before it has. */
const memory = 0.85;
/** New kinds that must have come before what came outweighs what the urn says. */
const trust = 20;

/** `ahead` = observations to come. As many of them are drawn as until now. */
export function forecastNew(runs: readonly Run[], ahead: number): Forecast {
  if (ahead <= 0) return { expected: 0, variance: 0 };
  // Nothing is known: everything may be new.
  if (sumOf(runs, 'drawn') === 0) return { expected: ahead, variance: ahead ** 2 };
  const urnsAt = urnsBehind(runs);
  const past = pastForecasts(runs, urnsAt);
  const came = past.reduce((sum, { weight, actual }) => sum + weight * actual, 0);
  const foretold = past.reduce((sum, { weight, expected }) => sum + weight * expected, 0);
  const correction = (came + trust) / (foretold + trust);
  const expected = Math.min(ahead, correction * urnsAt(runs.length).expected(ahead));
  // Over and above chance, by which rare events vary as much as they are many; and the correction itself is no better known.
  const variance = expected * dispersion(past, correction) + expected ** 2 / (came + trust);
  return { expected, variance };
}

interface PastForecast {
  readonly weight: number;
  readonly expected: number;
  readonly actual: number;
}

function pastForecasts(runs: readonly Run[], urnsAt: (end: number) => Urns): readonly PastForecast[] {
  const ends = partEnds(runs.length);
  return ends.slice(taughtParts, -1).map((end, at, all) => {
    const next = runs.slice(end, ends[taughtParts + at + 1]);
    return {
      weight: memory ** (all.length - 1 - at),
      expected: urnsAt(end).expected(sumOf(next, 'taken')),
      actual: sumOf(next, 'fresh'),
    };
  });
}

/** Where the parts of the past end, from none of it to all. */
function partEnds(runs: number): readonly number[] {
  const parts = Math.min(partsMax, runs);
  return Array.from({ length: parts + 1 }, (_, part) => Math.round((part * runs) / parts));
}

/** How much more the numbers varied than those of rare events do, at least as much; few of them are not believed. */
function dispersion(past: readonly PastForecast[], correction: number): number {
  let squares = 1;
  let weights = 1;
  for (const { weight, expected, actual } of past) {
    const corrected = Math.max(0.25, correction * expected);
    squares += (weight * (actual - corrected) ** 2) / corrected;
    weights += weight;
  }
  return Math.max(1, squares / weights);
}

/** Every urn with its weight, after some of the past. */
interface Urns {
  readonly expected: (ahead: number) => number;
}

/** All urns as they are behind so many runs, weighed by how probable each makes these. */
function urnsBehind(runs: readonly Run[]): (end: number) => Urns {
  const likelihoods = urns.map((urn) => likelihoodsOf(runs, urn));
  return (end) => {
    const known = runs.slice(0, end);
    const draws = sumOf(known, 'drawn');
    const drawnOf = draws / Math.max(1, sumOf(known, 'taken'));
    const kinds = sumOf(known, 'fresh');
    const logs = likelihoods.map((behind) => behind[end] ?? 0);
    const most = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const weights = logs.map((each) => Math.exp(each - most));
    const all = weights.reduce((a, b) => a + b, 0);
    return {
      expected: (ahead) =>
        urns.reduce(
          (sum, urn, at) => sum + ((weights[at] ?? 0) / all) * newKinds(urn, draws, kinds, ahead * drawnOf),
          0,
        ),
    };
  };
}

/** The mean of Pitman and Yor's urn, with sums for its products. */
function newKinds({ discount, strength }: Urn, draws: number, kinds: number, ahead: number): number {
  const growth = (strength + draws + ahead) / (strength + draws);
  return discount === 0 ? strength * Math.log(growth) : (kinds + strength / discount) * (growth ** discount - 1);
}

/** Behind each run the log likelihood of all draws until then; within a run the urn is taken as it is in its middle. */
function likelihoodsOf(runs: readonly Run[], { discount, strength, at: place }: Urn): Float64Array {
  const behind = new Float64Array(runs.length + 1);
  let draws = 0;
  let kinds = 0;
  for (const [at, { drawn, fresh, again }] of runs.entries()) {
    const newOnes = fresh * Math.log(strength + discount * (kinds + Math.max(0, fresh - 1) / 2));
    const all = drawn * Math.log(strength + draws + Math.max(0, drawn - 1) / 2);
    behind[at + 1] = (behind[at] ?? 0) + newOnes + (again[place] ?? 0) - all;
    draws += drawn;
    kinds += fresh;
  }
  return behind;
}

function sumOf(runs: readonly Run[], field: 'taken' | 'drawn' | 'fresh'): number {
  return runs.reduce((sum, run) => sum + run[field], 0);
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Standard normal deviates between which 80 and 95 % lie. */
export const deviates = { eighty: 1.2816, ninetyFive: 1.96 } as const;

/**
 * Between which numbers the one to come lies: quantiles of a gamma distribution of that mean and variance (Wilson and Hilferty 1931),
 * widened to whole numbers.
 */
export function intervalOf({ expected, variance }: Forecast, deviate: number): Interval {
  if (expected <= 0 || variance <= 0) return { low: Math.max(0, expected), high: Math.max(0, expected) };
  const shape = expected ** 2 / variance;
  const at = (z: number): number =>
    (variance / expected) * shape * Math.max(0, 1 - 1 / (9 * shape) + z / (3 * Math.sqrt(shape))) ** 3;
  return { low: Math.min(Math.floor(at(-deviate)), expected), high: Math.max(Math.ceil(at(deviate)), expected) };
}
