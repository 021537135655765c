// When a guest is looked at: soon after it moved, ever more rarely when it does not, never beyond the budget.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Pace, paceDefaults } from './pace.ts';

interface Run {
  /** Times of the sweeps. */
  readonly sweeps: readonly number[];
  readonly heldMs: number;
}

/** Asks every 5 ms of simulated time; each sweep costs `costMs` and says what `news` says of its time. */
function run(
  totalMs: number,
  costMs: number,
  moved: (nowMs: number) => boolean,
  news: (nowMs: number) => { lively?: boolean; lookAgain?: boolean } = () => ({}),
): Run {
  const pace = new Pace(paceDefaults, 0);
  const sweeps: number[] = [];
  let heldMs = 0;
  for (let nowMs = 0; nowMs < totalMs; nowMs += 5) {
    if (!pace.due(nowMs, moved(nowMs))) continue;
    sweeps.push(nowMs);
    heldMs += pace.takeHeldMs(nowMs);
    const { lively = false, lookAgain = false } = news(nowMs);
    pace.done({ atMs: nowMs, costMs, lively, lookAgain });
  }
  return { sweeps, heldMs };
}

const gaps = (sweeps: readonly number[]): number[] => sweeps.slice(1).map((at, i) => at - (sweeps[i] ?? 0));

test('a guest in which nothing happens is looked at less and less, to every two seconds', () => {
  const { sweeps, heldMs } = run(30_000, 2, () => false);
  assert.ok(gaps(sweeps).every((gap, i, all) => i === 0 || gap >= (all[i - 1] ?? 0)));
  assert.equal(gaps(sweeps).at(-1), 2000);
  assert.equal(heldMs, 0);
});

test('for as long as it says, no look is due unless something moves', () => {
  const pace = new Pace(paceDefaults, 0);
  pace.done({ atMs: 1000, costMs: 2, lively: false, lookAgain: false });
  const quietMs = pace.quietMs(1100);
  assert.ok(quietMs > 0);
  assert.equal(pace.due(1100 + quietMs - 1, false), false);
  assert.equal(pace.due(1100 + quietMs, false), true);
  assert.equal(pace.quietMs(60_000), 0);
});

test('a counter that moves brings a look at once', () => {
  const { sweeps } = run(20_000, 2, (nowMs) => nowMs === 15_005);
  assert.ok(sweeps.includes(15_005));
});

test('what was lively is looked at often for a while', () => {
  const { sweeps } = run(
    20_000,
    2,
    () => false,
    (nowMs) => ({ lively: nowMs > 10_000 && nowMs < 14_000 }),
  );
  const during = sweeps.filter((at) => at > 12_500 && at < 14_000);
  assert.ok(during.length >= 5, `${during.length} looks`);
});

test('what never settles is asked less and less often, and then like anything else', () => {
  const { sweeps } = run(
    20_000,
    0.1,
    () => false,
    () => ({ lookAgain: true }),
  );
  assert.ok(sweeps.filter((at) => at < 500).length >= 8);
  assert.ok(
    gaps(sweeps)
      .slice(40)
      .every((gap) => gap >= 100),
  );
});

test('whatever happens, looks never take more than their share, and long delays are counted', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 50 }), (costMs, every) => {
      const { sweeps, heldMs } = run(
        20_000,
        costMs,
        (nowMs) => nowMs % (every * 5) === 0,
        () => ({ lively: true, lookAgain: true }),
      );
      const spentMs = sweeps.length * costMs;
      assert.ok(spentMs <= 20_000 * paceDefaults.share + paceDefaults.burstMs + costMs, `${spentMs} ms spent`);
      if (costMs > 100) assert.ok(heldMs > 10_000, `${heldMs} ms held`);
    }),
    { numRuns: 50 },
  );
});
