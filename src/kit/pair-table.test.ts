// The table of pairs against a map keyed by texts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PairTable } from './pair-table.ts';

test('it holds what a map would hold, through every growth', () => {
  const number = fc.oneof(fc.integer({ min: -1, max: 6 }), fc.integer());
  fc.assert(
    fc.property(fc.array(fc.tuple(number, number, fc.nat()), { maxLength: 300 }), (triples) => {
      const table = new PairTable();
      const map = new Map<string, number>();
      for (const [first, second, value] of triples) {
        assert.equal(table.get(first, second), map.get(`${first} ${second}`) ?? -1);
        table.set(first, second, value);
        map.set(`${first} ${second}`, value);
      }
      assert.equal(table.size, map.size);
      for (const [first, second] of triples) assert.equal(table.get(first, second), map.get(`${first} ${second}`));
    }),
    { numRuns: 300 },
  );
});
