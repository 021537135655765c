// Stretches of work: a burst counts once, and repetition counts when time has passed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Episodes, episodeLength } from './episodes.ts';

function counts(episodes: Episodes): Record<'taken' | 'drawn' | 'fresh', number> {
  const sums = { taken: 0, drawn: 0, fresh: 0 };
  for (const { taken, drawn, fresh } of episodes.runs()) {
    sums.taken += taken;
    sums.drawn += drawn;
    sums.fresh += fresh;
  }
  return sums;
}

test('a burst is one stretch', () => {
  const episodes = new Episodes();
  const news = Array.from({ length: episodeLength }, (_, at) => episodes.take(at % 2 === 0 ? 'a' : 'b'));
  assert.deepEqual(news.slice(0, 3), [true, true, false]);
  assert.deepEqual(counts(episodes), { taken: episodeLength, drawn: 2, fresh: 2 });
  assert.equal(episodes.take('a'), false);
  assert.equal(episodes.take('a'), false);
  assert.deepEqual(counts(episodes), { taken: episodeLength + 2, drawn: 3, fresh: 2 });
  assert.equal(episodes.taken, episodeLength + 2);
  assert.ok(episodes.has('b') && !episodes.has('c'));
});
