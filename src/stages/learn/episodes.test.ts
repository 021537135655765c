// Stretches of work: a burst counts once, and repetition counts when time has passed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Episodes, episodeLength } from './episodes.ts';

test('a burst is one stretch', () => {
  const episodes = new Episodes();
  const news = Array.from({ length: episodeLength }, (_, at) => episodes.take(at % 2 === 0 ? 'a' : 'b'));
  assert.deepEqual(news.slice(0, 3), [true, true, false]);
  assert.deepEqual([...episodes.frequencies()], [[1, 2]]);
  assert.equal(episodes.take('a'), false);
  assert.equal(episodes.take('a'), false);
  assert.deepEqual(
    [...episodes.frequencies()].sort(([a], [b]) => a - b),
    [
      [1, 1],
      [2, 1],
    ],
  );
  assert.equal(episodes.taken, episodeLength + 2);
  assert.ok(episodes.has('b') && !episodes.has('c'));
});
