// Intervals against published values, and what must hold of them whatever is counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { poissonRate, wilson } from './intervals.ts';

function near(value: number, expected: number, what: string): void {
  assert.ok(Math.abs(value - expected) < 0.002, `${what}: ${value}, not ${expected}`);
}

// Newcombe 1998, "Two-sided confidence intervals for the single proportion", method 3.
const shares = [
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
] as const;

test('shares have the published interval', () => {
  for (const [hit, of, low, high] of shares) {
    const rate = wilson(hit, of);
    near(rate.low, low, `low of ${hit}/${of}`);
    near(rate.high, high, `high of ${hit}/${of}`);
  }
  assert.deepEqual(wilson(5, 5).high, 1);
});

// Garwood's table: exact limits of a Poisson mean.
const counts = [
  [1, 0.0253, 5.5716],
  [3, 0.6187, 8.7673],
  [10, 4.7954, 18.3904],
  [100, 81.364, 121.6273],
] as const;

test('counts have the published interval, and none is at most three', () => {
  for (const [count, low, high] of counts) {
    const rate = poissonRate(count, 1);
    near(rate.low, low, `low of ${count}`);
    near(rate.high, high, `high of ${count}`);
  }
  assert.deepEqual(poissonRate(0, 2), { value: 0, low: 0, high: 1.5 });
});

test('an interval holds its value, and more time makes it narrower', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 400 }), (hit, more) => {
      const share = wilson(hit, hit + more);
      assert.ok(share.low <= share.value && share.value <= share.high && share.low >= 0 && share.high <= 1);
      const short = poissonRate(hit, 1);
      const long = poissonRate(hit, 2);
      assert.ok(short.low <= short.value && short.value <= short.high);
      assert.ok(long.high - long.low < short.high - short.low);
    }),
    { numRuns: 60 },
  );
});
