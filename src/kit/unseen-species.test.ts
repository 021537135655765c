// Predictions of what is still unseen: worked examples, and calibration on populations of which everything is known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type Frequencies,
  missingMass,
  frequenciesOf,
  observationsIn,
  predictNew,
  richness,
} from './unseen-species.ts';

const none: Frequencies = new Map();
/** Three seen once, one twice, one five times: ten observations. */
const some: Frequencies = new Map([
  [1, 3],
  [2, 1],
  [5, 1],
]);

test('the mass of the unseen is the share of what was seen once', () => {
  assert.equal(observationsIn(some), 10);
  assert.equal(missingMass(some), 0.3);
  assert.equal(missingMass(none), 1);
});

test('the richness is at least what was seen', () => {
  // Five seen, three once and one twice: 5 + 3 * 2 / (2 * 2).
  assert.equal(richness(some), 6.5);
  assert.equal(richness(none), 0);
  assert.equal(richness(new Map([[4, 7]])), 7);
});

test('looking a little ahead is the series of Good and Toulmin', () => {
  // t = 1/2: 3/2 - 1/4 + 1/32.
  assert.ok(Math.abs(predictNew(some, 0.5, 5).expected - (1.5 - 0.25 + 1 / 32)) < 1e-9);
  assert.deepEqual(predictNew(some, 0, 0).expected, 0);
  assert.deepEqual(predictNew(none, 1, 7), { expected: 7, low: 0, high: 7 });
});

test('a prediction lies in its interval and within what is possible, however far ahead', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 40 })), { maxLength: 12 }),
      fc.double({ min: 0, max: 50, noNaN: true }),
      fc.integer({ min: 0, max: 5000 }),
      (pairs, ahead, most) => {
        const { expected, low, high } = predictNew(new Map(pairs), ahead, most);
        assert.ok(
          low <= expected && expected <= high && low >= 0 && high <= most,
          JSON.stringify({ low, expected, high }),
        );
      },
    ),
    { numRuns: 300 },
  );
});

/** Species with probabilities falling as 1 / rank, drawn with a fixed generator. */
function drawn(count: number, species: number, seed: number): number[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const weights = Array.from({ length: species }, (_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: count }, () => {
    let left = next() * total;
    return weights.findIndex((weight) => (left -= weight) <= 0);
  });
}

test('on a population that is known the prediction is within a factor of 1.5 for four of five', () => {
  let within = 0;
  const tries = 60;
  for (let seed = 1; seed <= tries; seed += 1) {
    const draws = drawn(800, 300, seed * 7919);
    const seen = draws.slice(0, 600);
    const counts = new Map<number, number>();
    for (const each of seen) counts.set(each, (counts.get(each) ?? 0) + 1);
    const frequencies = frequenciesOf(counts.values());
    const actual = new Set(draws.slice(600).filter((each) => !counts.has(each))).size;
    const { expected } = predictNew(frequencies, 200 / 600, 200);
    if (expected <= actual * 1.5 && expected >= actual / 1.5) within += 1;
  }
  assert.ok(within / tries >= 0.8, `${within} of ${tries}`);
});
