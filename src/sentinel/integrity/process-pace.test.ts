// When processes are looked at, second by second.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessPace } from './process-pace.ts';

/** Seconds at which looks are taken when one is asked for every tenth of a second for five minutes. */
function looks(stirred: (second: number) => number, unsettled: (second: number) => boolean): readonly number[] {
  const pace = new ProcessPace();
  const taken: number[] = [];
  for (let tenth = 0; tenth < 3000; tenth += 1) {
    const second = tenth / 10;
    if (!pace.due(second * 1000, () => stirred(second))) continue;
    taken.push(second);
    pace.done(second * 1000, stirred(second), unsettled(second));
  }
  return taken;
}

const never = (): boolean => false;

test('a guest in which nothing starts is looked at every half a minute', () => {
  assert.deepEqual(
    looks(() => 7, never),
    [0, 30, 60, 90, 120, 150, 180, 210, 240, 270],
  );
});

test('one in which something does, every ten seconds', () => {
  assert.deepEqual(looks(Math.floor, never).slice(0, 4), [0, 10, 20, 30]);
  assert.deepEqual(looks((second) => (second < 12 ? 0 : 1), never).slice(0, 3), [0, 12, 42]);
});

test('what may be proven by further looks is looked at again at once, and not for ever', () => {
  assert.deepEqual(
    looks(
      () => 7,
      (second) => second >= 30 && second < 31.5,
    ).slice(0, 5),
    [0, 30, 31, 32, 62],
  );
  const restless = looks(
    () => 7,
    () => true,
  );
  assert.ok(restless.length < 9 * 9, `${restless.length} looks in five minutes`);
});
