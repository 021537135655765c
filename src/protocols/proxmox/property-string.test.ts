// Proxmox VE's `key=value` strings: what is not changed is written back as it was, whatever it is, and what cannot be told apart
// is not read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isTrue, parsePropertyString, printPropertyString, valueOf, withProperty } from './property-string.ts';

const key = fc.stringMatching(/^[a-z][a-z0-9_-]{0,10}$/);
const value = fc.stringMatching(/^[ -+\--~]{0,20}[!-+\--~]$/);
const properties = fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, minLength: 1, maxLength: 10 });

test('what was read is written back as it was', () => {
  fc.assert(
    fc.property(properties, (pairs) => {
      const text = pairs.map(([name, said]) => `${name}=${said}`).join(',');
      const parsed = parsePropertyString(text);
      assert.ok(parsed !== null);
      assert.equal(printPropertyString(parsed), text);
      for (const [name, said] of pairs) assert.equal(valueOf(parsed, name), said);
    }),
  );
});

test('one property is changed, and no other; changed back it is as before', () => {
  fc.assert(
    fc.property(properties, fc.boolean(), (pairs, isThere) => {
      const others = pairs.filter(([name]) => name !== 'link_down');
      const parsed = parsePropertyString(others.map(([name, said]) => `${name}=${said}`).join(','));
      fc.pre(others.length > 0 && parsed !== null);
      const before = isThere ? withProperty(parsed, 'link_down', '0') : parsed;
      const changed = withProperty(before, 'link_down', '1');
      assert.equal(valueOf(changed, 'link_down'), '1');
      assert.deepEqual(withProperty(changed, 'link_down', null), parsed);
      assert.deepEqual(withProperty(withProperty(before, 'link_down', '1'), 'link_down', isThere ? '0' : null), before);
    }),
  );
});

const bad: readonly (readonly [string, string])[] = [
  ['a key twice', 'bridge=a,bridge=b'],
  ['two values without a key', 'virtio,e1000'],
  ['a value without its key', '=a'],
  ['a key without a value', 'bridge='],
  ['two lines', 'bridge=a\nbridge=b'],
  ['a character that ends strings', 'bridge=a\u0000'],
  ['4 KiB and more', `bridge=${'a'.repeat(4096)}`],
  ['more than 64', Array.from({ length: 65 }, (_, i) => `k${i}=1`).join(',')],
];
for (const [what, text] of bad)
  test(`not read: ${what}`, () => {
    assert.equal(parsePropertyString(text), null);
  });

test('a boolean is read as the platform reads it', () => {
  const readings = ['1', 'on', 'Yes', 'TRUE', '0', 'off', '', 'yes '].map(isTrue);
  assert.deepEqual(readings, [true, true, true, true, false, false, false, false]);
  assert.equal(isTrue(null), false);
});
