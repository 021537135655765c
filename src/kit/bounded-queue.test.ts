// The queue never grows past its limit, and what it refuses is counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BoundedQueue } from './bounded-queue.ts';

test('every offered item is either taken in order, still inside, or counted as refused', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.oneof(fc.constant('offer' as const), fc.nat(10)), { maxLength: 200 }),
      (limit, steps) => {
        const queue = new BoundedQueue<number>(limit);
        const taken: number[] = [];
        const accepted: number[] = [];
        let offered = 0;
        for (const step of steps) {
          if (step === 'offer') {
            if (queue.offer(offered)) accepted.push(offered);
            offered += 1;
          } else taken.push(...queue.take(step));
          assert.ok(queue.size <= limit);
        }
        assert.deepEqual([...taken, ...queue.take(limit)], accepted);
        assert.equal(accepted.length + queue.refused, offered);
      },
    ),
  );
});

test('a limit that is no positive integer is a bug of the caller', () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => new BoundedQueue(limit), RangeError);
});
