// RFC 8785: the examples of the standard, and that the order of keys never shows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { canonicalJson, type Json } from './canonical-json.ts';

const good: readonly (readonly [Json, string])[] = [
  [{ b: 1, a: 2 }, '{"a":2,"b":1}'],
  [{ z: undefined, a: null }, '{"a":null}'],
  // RFC 8785 3.2.3: sorted by UTF-16 code units.
  [
    { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 },
    '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
  ],
  [[333_333_333.333_333_3, 1e30, 4.5, 2e-3, 1e-27, -0], '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]'],
];

test('canonical JSON of the standard', () => {
  for (const [value, expected] of good) assert.equal(canonicalJson(value), expected);
});

test('what JSON cannot carry is refused', () => {
  const deep = Array.from({ length: 80 }).reduce<Json>((inner) => [inner], 1);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', deep])
    assert.throws(() => canonicalJson(bad), RangeError);
});

test('parsing the canonical form and writing it again changes nothing, whatever the order of keys', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme' })), (object) => {
      const shuffled = Object.fromEntries(Object.entries(object).toReversed());
      const text = canonicalJson(object);
      assert.equal(canonicalJson(shuffled as Json), text);
      assert.equal(canonicalJson(JSON.parse(text)), text);
    }),
  );
});
