// What counts as watched, lost and nothing, and when a loss of sight is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SightKeeper } from './sight-keeper.ts';

const keeper = (): SightKeeper => new SightKeeper({ vm: 'name:web', bornMs: 1000, lostSightMs: 500 });

test('time between two looks is watched; time in which it ran unseen is watched and lost', () => {
  const kept = keeper();
  kept.seen(1000);
  kept.seen(3000);
  kept.unseen(3000);
  kept.seen(4000);
  assert.deepEqual(kept.takeCoverage(), { vm: 'name:web', observedSeconds: 3, lossSeconds: 1, missed: 0 });
});

test('a VM at rest neither counts as watched nor as lost', () => {
  const kept = keeper();
  kept.seen(1000);
  kept.rest();
  kept.seen(9000);
  assert.equal(kept.takeCoverage(), null);
});

test('a loss of sight is told once, after its time, and again after it was seen', () => {
  const kept = keeper();
  assert.deepEqual(
    [1000, 1400, 1500, 1600].map((at) => kept.unseen(at)),
    [false, false, true, false],
  );
  kept.begun();
  kept.seen(2000);
  assert.deepEqual([kept.unseen(2100), kept.unseen(2600)], [false, true]);
});
