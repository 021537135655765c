// Instructions that do nothing, and where jumps lead, by tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, nat, property } from 'fast-check';
import { idleLength, isIdle, isTraps, relativeTarget } from './machine-code.ts';

const idle: readonly (readonly [string, number])[] = [
  ['90', 1],
  ['6690', 2],
  ['0f1f00', 3],
  ['0f1f4000', 4],
  ['0f1f440000', 5],
  ['660f1f440000', 6],
  ['0f1f8000000000', 7],
  ['0f1f840000000000', 8],
  ['66660f1f840000000000', 10],
  ['66662e0f1f840000000000', 11],
  ['c3', 0],
  ['cc', 0],
  ['e800000000', 0],
  ['0f1fc0', 3],
  ['0f1fc8', 0],
  ['0f05', 0],
];

test('instructions that do nothing are known by their length, others are none', () => {
  for (const [code, length] of idle) assert.equal(idleLength(Buffer.from(`${code}c3`, 'hex'), 0), length, code);
});

test('a stretch is idle when it does nothing to its very end', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['0f1f4400006690', true],
    ['eb03cccccc90', true],
    ['eb04cccccc90', true],
    ['eb05cccccc90', false],
    ['ebfe', false],
    ['0f1f4400', false],
    ['9090c3', false],
  ];
  for (const [code, expected] of cases) {
    const bytes = Buffer.from(code, 'hex');
    assert.equal(isIdle(bytes, 0, bytes.length), expected, code);
  }
});

test('the target of a jump or call is told wherever it lies', () => {
  assert.equal(relativeTarget(Buffer.from('e810000000', 'hex'), 0, 0x1000), 0x1015);
  assert.equal(relativeTarget(Buffer.from('e9fbffffff', 'hex'), 0, 0x1000), 0x1000);
  assert.equal(relativeTarget(Buffer.from('90eb10', 'hex'), 1, 0x1001), 0x1013);
  assert.equal(relativeTarget(Buffer.from('0f8410000000', 'hex'), 0, 0x1000), 0x1016);
  for (const none of ['', 'e8', 'e8000000', '0f84', 'c3', '0f1f440000']) {
    assert.equal(relativeTarget(Buffer.from(none, 'hex'), 0, 0x1000), null, none);
  }
});

test('no bytes whatever are read past their end, or for ever', () => {
  holds(
    property(array(nat(255), { maxLength: 40 }), (bytes) => {
      const code = Buffer.from(bytes);
      for (let at = 0; at <= code.length; at += 1) {
        assert.ok(idleLength(code, at) >= 0);
        isIdle(code, at, code.length);
        relativeTarget(code, at, 0);
      }
      assert.equal(
        isTraps(code, 0, code.length),
        bytes.every((byte) => byte === 0xcc),
      );
    }),
  );
});
