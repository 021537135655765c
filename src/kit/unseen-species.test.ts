// What is still unseen: worked examples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Frequencies, missingMass, frequenciesOf, observationsIn, richness } from './unseen-species.ts';

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

test('what was counted comes in frequencies', () => {
  assert.deepEqual(frequenciesOf([1, 1, 2, 1, 5]), some);
});

test('the richness is at least what was seen', () => {
  // Five seen, three once and one twice: 5 + 3 * 2 / (2 * 2).
  assert.equal(richness(some), 6.5);
  assert.equal(richness(none), 0);
  assert.equal(richness(new Map([[4, 7]])), 7);
});
