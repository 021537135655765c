// Forecasts of what was never seen: bounds, worked cases, and calibration on populations of which everything is known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { deviates, forecastNew, intervalOf } from './discovery-forecast.ts';
import { DiscoveryRecord, type Run } from './discovery-record.ts';

function recordOf(kinds: Iterable<number | string>): readonly Run[] {
  const record = new DiscoveryRecord();
  const counts = new Map<number | string, number>();
  for (const kind of kinds) {
    const before = counts.get(kind) ?? 0;
    record.take(before);
    counts.set(kind, before + 1);
  }
  return record.runs();
}

function sumOf(runs: readonly Run[], field: 'taken' | 'drawn' | 'fresh'): number {
  return runs.reduce((sum, run) => sum + run[field], 0);
}

test('a record stays small and loses nothing that is asked of it', () => {
  const record = new DiscoveryRecord();
  const expected = Array.from({ length: 10_000 }, (_, at) => Math.floor(at / 3));
  for (const before of expected) record.take(before % 7 === 6 ? null : before % 7);
  const runs = record.runs();
  assert.ok(runs.length <= 512);
  assert.equal(sumOf(runs, 'taken'), 10_000);
  assert.equal(sumOf(runs, 'drawn'), expected.filter((before) => before % 7 !== 6).length);
  assert.equal(sumOf(runs, 'fresh'), expected.filter((before) => before % 7 === 0).length);
  const before = JSON.stringify(runs);
  record.take(0);
  assert.equal(JSON.stringify(runs), before);
});

test('who knows nothing expects everything to be new, and nothing of no time', () => {
  assert.deepEqual(forecastNew([], 7), { expected: 7, variance: 49 });
  assert.deepEqual(forecastNew(recordOf([1, 2, 3]), 0), { expected: 0, variance: 0 });
});

test('a forecast is a number within what is possible, and lies in its interval', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }),
      fc.integer({ min: 0, max: 5000 }),
      (kinds, ahead) => {
        const forecast = forecastNew(recordOf(kinds), ahead);
        assert.ok(forecast.expected >= 0 && forecast.expected <= ahead && Number.isFinite(forecast.variance));
        const wide = intervalOf(forecast, deviates.ninetyFive);
        const narrow = intervalOf(forecast, deviates.eighty);
        assert.ok(wide.low >= 0 && wide.low <= narrow.low && narrow.high <= wide.high, JSON.stringify([wide, narrow]));
        assert.ok(narrow.low <= forecast.expected && forecast.expected <= narrow.high);
      },
    ),
    { numRuns: 200 },
  );
});

test('what happens once at the beginning is not taken for the beginning of more', () => {
  // Sixty kinds when the machine starts, and from then on a new one every fifty times.
  const boot = Array.from({ length: 60 }, (_, at) => `boot ${at}`);
  const work = Array.from({ length: 1000 }, (_, at) => (at % 50 === 49 ? `new ${at}` : `work ${at % 5}`));
  const forecast = forecastNew(recordOf([...boot, ...work]), 500);
  assert.ok(forecast.expected >= 5 && forecast.expected <= 20, String(forecast.expected));
  const { low, high } = intervalOf(forecast, deviates.ninetyFive);
  assert.ok(low <= 10 && high >= 10);
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

test('on a population that is known four of five forecasts are within a factor of 1.5, and nine of ten intervals hold', () => {
  let within = 0;
  let held = 0;
  const tries = 40;
  for (let seed = 1; seed <= tries; seed += 1) {
    const draws = drawn(800, 300, seed * 7919);
    const known = new Set(draws.slice(0, 600));
    const actual = new Set(draws.slice(600).filter((each) => !known.has(each))).size;
    const forecast = forecastNew(recordOf(draws.slice(0, 600)), 200);
    if (forecast.expected <= actual * 1.5 && forecast.expected >= actual / 1.5) within += 1;
    const { low, high } = intervalOf(forecast, deviates.ninetyFive);
    if (low <= actual && actual <= high) held += 1;
  }
  assert.ok(within / tries >= 0.8, `${within} of ${tries}`);
  assert.ok(held / tries >= 0.9, `${held} of ${tries}`);
});
