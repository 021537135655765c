// The index by which grouping is scored, on values that are known, and the recorded sets where they are present.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { groupingSets } from './grouping-sets.data.ts';
import { scoreGrouping } from './grouping.ts';
import { adjustedRandIndex } from './rand-index.ts';

test('the adjusted Rand index of partitions whose index is known', () => {
  const index = (a: string, b: string): number => adjustedRandIndex(a.split(''), b.split(''));
  assert.equal(index('aabb', 'xxyy'), 1);
  assert.ok(Math.abs(index('aabb', 'xyxy') + 0.5) < 1e-12);
  assert.equal(index('abcd', 'xxxx'), 0);
  assert.equal(index('aaaa', 'xxxx'), 1);
  assert.equal(index('', ''), 1);
  // scikit-learn's documentation of adjusted_rand_score: [0, 0, 1, 2] against [0, 0, 1, 1].
  assert.ok(Math.abs(index('aabc', 'xxyy') - 0.571428) < 1e-5);
});

const data = join(import.meta.dirname, '../../../shared/data');
const reached: Readonly<Record<string, number>> = {
  'linux-containers': 0.55,
  'windows-machines': 0,
  'unix-accounting': 0.05,
};

for (const set of groupingSets) {
  const files = set.files.map((name) => join(data, `${name}.ndjson.gz`));
  const skip = files.every((file) => existsSync(file)) ? false : 'the recordings are not in ../shared/data';
  test(`recorded machines ${set.name}`, { skip }, async () => {
    const score = await scoreGrouping(set, files);
    assert.ok(score.ok, score.ok ? '' : score.error.message);
    assert.ok(score.value.adjustedRandIndex >= (reached[set.name] ?? 1), JSON.stringify(score.value));
    assert.ok((score.value.purity ?? 1) >= 0.95, JSON.stringify(score.value));
  });
}
