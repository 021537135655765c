// What is believed, and when: three looks in a row, with the guest running in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Persistence } from './persistence.ts';

/** Looks by ticks at which the difference shows (a number) or not (null); the looks in which it was believed. */
function believed(ticks: readonly (number | null)[], mayPause = false): readonly number[] {
  const persistence = new Persistence();
  const looks: number[] = [];
  let last = 0;
  for (const [index, at] of ticks.entries()) {
    last = at ?? last + 100;
    const now = { look: index + 1, ticks: last };
    if (at !== null && persistence.confirm('it', now)) looks.push(now.look);
    persistence.settle(now, () => mayPause);
  }
  return looks;
}

const cases: readonly (readonly [string, readonly (number | null)[], boolean, readonly number[]])[] = [
  ['three looks in a row are enough', [0, 100, 200, 300], false, [3, 4]],
  ['two are not', [0, 100], false, []],
  ['a paused guest proves nothing, however often it is looked at', [7, 7, 7, 7, 7, 7], false, []],
  ['looks in quick succession wait for the guest to have run', [0, 5, 10, 15, 60, 61], false, [5, 6]],
  ['a gap starts it over', [0, 100, null, 300, 400, 500], false, [6]],
  ['what shows only now and then may have gaps', [0, null, null, 300, null, 500], true, [6]],
  ['a snapshot that takes the guest back starts it over', [500, 600, 100, 200, 300], false, [5]],
];
for (const [what, ticks, mayPause, expected] of cases) {
  test(what, () => assert.deepEqual(believed(ticks, mayPause), expected));
}

test('more differences than can be followed are counted', () => {
  const persistence = new Persistence();
  for (let index = 0; index < 65_540; index += 1) persistence.confirm(`${index}`, { look: 1, ticks: 0 });
  assert.equal(persistence.crowded, 4);
});

test('what was explained is forgotten', () => {
  const persistence = new Persistence();
  persistence.confirm('it', { look: 1, ticks: 0 });
  persistence.confirm('it', { look: 2, ticks: 100 });
  persistence.forget('it');
  assert.equal(persistence.confirm('it', { look: 3, ticks: 200 }), false);
});

test('a look is unsettled while what it saw may yet be proven', () => {
  const persistence = new Persistence();
  const unsettled = [0, 100, 200, 300].map((ticks, index) => {
    const now = { look: index + 1, ticks };
    if (index < 3) persistence.confirm('it', now);
    return persistence.isUnsettled(now);
  });
  // The third proves it; in the fourth it is not there any more.
  assert.deepEqual(unsettled, [true, true, false, false]);
});
