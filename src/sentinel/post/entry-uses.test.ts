// Used entries are told whole or not at all, within one batch's room, and time that was not counted is not told as watched.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { process } from '../../sim/seen.ts';
import { EntryUses } from './entry-uses.ts';

const activity = process('/bin/x', ['x']);
let nowMs = Date.parse('2026-11-22T00:00:00Z');
const clock = { now: () => nowMs, monotonic: () => nowMs };
const watched = (vm: string, observedSeconds: number, lossSeconds = 0) => ({
  vm,
  observedSeconds,
  lossSeconds,
  missed: 0,
});

test('repetitions are counted between two reports, and a sample is told once', () => {
  const uses = new EntryUses(clock, { reportEveryMs: 1000 });
  for (let i = 0; i < 3; i += 1) uses.count('a', 'e', activity);
  uses.cover(watched('a', 5, 2));
  assert.deepEqual(uses.take(false), []);
  const firstAt = new Date(nowMs).toISOString();
  nowMs += 1000;
  assert.deepEqual(uses.take(false), [
    {
      vm: 'a',
      watchedSeconds: 3,
      entries: [{ entry: 'e', count: 3, firstAt, lastAt: firstAt, sample: activity }],
    },
  ]);
  uses.count('a', 'e', activity);
  const [again] = uses.take(true);
  assert.equal(again?.entries[0]?.sample, undefined);
  assert.equal(again?.watchedSeconds, 0);
  assert.deepEqual(uses.take(true), []);
});

test('what has no room in a batch follows with the next, and the time watched comes with the last of it', () => {
  const uses = new EntryUses(clock, { perBatchMax: 2 });
  for (const entry of ['e1', 'e2', 'e3']) uses.count('a', entry, activity);
  uses.count('b', 'e1', activity);
  uses.cover(watched('a', 7));
  const told = [uses.take(true), uses.take(true), uses.take(true)];
  assert.deepEqual(
    told.map((reports) => reports.map(({ vm, entries, watchedSeconds }) => [vm, entries.length, watchedSeconds])),
    [
      [['a', 2, undefined]],
      [
        ['a', 1, 7],
        ['b', 1, 0],
      ],
      [],
    ],
  );
});

test('a use without room takes the time with it', () => {
  const uses = new EntryUses(clock, { entriesMax: 2 });
  uses.cover(watched('a', 60));
  assert.deepEqual(
    ['e1', 'e2', 'e3', 'e1'].map((entry) => uses.count('a', entry, activity)),
    [true, true, false, true],
  );
  assert.deepEqual(
    uses.take(true).map(({ watchedSeconds }) => watchedSeconds),
    [0],
  );
  uses.cover(watched('a', 60));
  assert.deepEqual(
    uses.take(true).map(({ watchedSeconds }) => watchedSeconds),
    [60],
  );
});

test('a VM of which only the time is known is told too', () => {
  const uses = new EntryUses(clock);
  uses.cover(watched('a', 60));
  assert.deepEqual(uses.take(true), [{ vm: 'a', watchedSeconds: 60, entries: [] }]);
});
