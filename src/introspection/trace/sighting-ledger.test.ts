// One happening seen at several stops, and several happenings that look alike.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sighting } from './hook.ts';
import { SightingLedger } from './sighting-ledger.ts';

interface Step {
  readonly thread: number;
  /** Null: it was seen at nothing. */
  readonly key: string | null;
  readonly repeatable?: boolean;
  readonly fresh?: boolean;
  readonly isNew?: boolean;
}

const cases: readonly (readonly [string, readonly Step[]])[] = [
  [
    'a CPU that did not move between two stops',
    [
      { thread: 1, key: 'exec 7', isNew: true },
      { thread: 1, key: 'exec 7', isNew: false },
    ],
  ],
  [
    'a task that was moved to another CPU',
    [
      { thread: 1, key: 'exec 7', isNew: true },
      { thread: 1, key: null },
      { thread: 2, key: 'exec 7', fresh: true, isNew: false },
    ],
  ],
  [
    'the same call made again, reported as an access of its own',
    [
      { thread: 1, key: 'listen 80', repeatable: true, fresh: true, isNew: true },
      { thread: 1, key: 'listen 80', repeatable: true, fresh: true, isNew: true },
    ],
  ],
  [
    'a call whose CPU stands still, or in an interrupt, while another one stops the guest',
    [
      { thread: 1, key: 'listen 80', repeatable: true, fresh: true, isNew: true },
      { thread: 1, key: 'listen 80', repeatable: true, isNew: false },
      { thread: 1, key: null },
      { thread: 1, key: 'listen 80', repeatable: true, isNew: false },
      { thread: 1, key: 'listen 80', repeatable: true, fresh: true, isNew: true },
    ],
  ],
  [
    'the same call on two CPUs at once',
    [
      { thread: 1, key: 'bind 53', repeatable: true, fresh: true, isNew: true },
      { thread: 2, key: 'bind 53', repeatable: true, isNew: true },
    ],
  ],
];

for (const [title, steps] of cases) {
  test(title, () => {
    const ledger = new SightingLedger();
    for (const { thread, key, repeatable = false, fresh = false, isNew } of steps) {
      if (key !== null) {
        const sighting = { key, repeatable, event: {} as Sighting['event'] };
        assert.equal(ledger.isNew(thread, sighting, fresh), isNew);
      }
      ledger.standsAt(thread, key === null ? [] : [key]);
    }
  });
}

test('after an earlier time was loaded everything can happen again', () => {
  const ledger = new SightingLedger();
  const sighting = { key: 'exec 7', event: {} as Sighting['event'] };
  assert.ok(ledger.isNew(1, sighting, true));
  ledger.forget();
  assert.ok(ledger.isNew(1, sighting, true));
});
