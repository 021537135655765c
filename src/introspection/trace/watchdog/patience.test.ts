// When a tracer counts as silent, held too long, or as only having had no turn, like the watchdog itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, integer, property } from 'fast-check';
import { dueMs, owedMs } from './patience.ts';

test('a tracer is due so long after its last word, or after the end of its hold when that is sooner', () => {
  assert.equal(dueMs({ heardMs: 1_000, heldUntilMs: null }, 500), 1_500);
  assert.equal(dueMs({ heardMs: 1_000, heldUntilMs: 60_000 }, 500), 1_500);
  assert.equal(dueMs({ heardMs: 61_000, heldUntilMs: 60_000 }, 500), 60_500);
});

test('who wakes in time owes nothing, who wakes late gives less than the patience once more', () => {
  assert.equal(owedMs(1_010, 1_000, 500), 0);
  holds(
    property(integer({ min: 0, max: 1e7 }), integer({ min: 4, max: 60_000 }), (late, lateMs) => {
      const owed = owedMs(1_000 + late, 1_000, lateMs);
      assert.ok(owed >= 0 && owed < lateMs);
      assert.equal(owed > 0, late > lateMs / 4);
    }),
  );
});
