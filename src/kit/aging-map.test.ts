// What an aging map keeps, what it forgets, and that it counts the difference.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgingMap } from './aging-map.ts';

test('what is asked for stays, what is not is forgotten and counted', () => {
  const map = new AgingMap<number, string>(10);
  map.set(0, 'asked');
  for (let key = 1; key <= 100; key += 1) {
    map.set(key, 'once');
    assert.equal(map.get(0), 'asked');
    assert.ok(map.size <= 20);
  }
  assert.equal(map.get(1), undefined);
  assert.equal(map.get(100), 'once');
  assert.equal(map.forgotten + map.size, 101);
});

test('a value that was set again is the new one, and counted once', () => {
  const map = new AgingMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  assert.deepEqual([map.get('a'), map.get('b'), map.size, map.forgotten], [3, 2, 2, 0]);
});

test('a limit must be a positive whole number', () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => new AgingMap(limit), RangeError);
});
