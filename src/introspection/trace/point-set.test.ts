// Stop points as words of the protocol, how many are set, and how a breakpoint is got past.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hook, StopPoint } from './hook.ts';
import { chooseHooks, insertion, removal } from './point-set.ts';
import { skippable } from './skip-entry.ts';

const code = (low: number): StopPoint => ({ on: 'code', at: { high: 0xffff_ffff, low } });
const data = (low: number): StopPoint => ({ on: 'data', at: { high: 0xffff_ffff, low }, sizeBytes: 8, access: 'any' });
const hook = (name: string, ...points: readonly StopPoint[]): Hook => ({ name, points, recognise: () => null });

const words: readonly (readonly [StopPoint, string])[] = [
  [code(0x8100_0010), '1,ffffffff81000010,1'],
  [data(0x82), '4,ffffffff00000082,8'],
  [{ on: 'data', at: { high: 0xffff_ffff, low: 0x8260_0000 }, sizeBytes: 4, access: 'write' }, '2,ffffffff82600000,4'],
];

for (const [point, word] of words) {
  test(`${word} is set and taken out`, () => {
    assert.equal(insertion(point), `Z${word}`);
    assert.equal(removal(point), `z${word}`);
  });
}

test('points that several hooks share are set once, and data points are not counted', () => {
  const chosen = chooseHooks([hook('a', data(1)), hook('b', data(1), data(2)), hook('c', data(3))], 0);
  assert.deepEqual(chosen.points, [data(1), data(2), data(3)]);
  assert.deepEqual(chosen.leftOut, []);
});

test('where code points are few the first hooks have them, whole or not at all', () => {
  const hooks = [hook('a', code(1), code(2)), hook('b', code(3), code(4), code(5)), hook('c', code(2), code(6))];
  const chosen = chooseHooks(hooks, 4);
  assert.deepEqual(
    chosen.hooks.map(({ name }) => name),
    ['a', 'c'],
  );
  assert.deepEqual(
    chosen.leftOut.map(({ name }) => name),
    ['b'],
  );
  assert.equal(chosen.points.length, 3);
});

const entries: readonly (readonly [string, number | null])[] = [
  ['0f1f44000055488b07', 5],
  ['f30f1efa0f1f440000', 9],
  ['660f1f000f1f440000', 9],
  ['0f1f40d60f1f440000', 9],
  // Traced by the guest itself, without room, or anything else: run, not skipped.
  ['e8112233445548896c', null],
  ['f30f1efae811223344', null],
  ['554889e54883ec1090', null],
  ['cc1f44000055488b07', null],
];

for (const [bytes, past] of entries) {
  test(`an entry of ${bytes} ${past === null ? 'is not skipped' : `is skipped by ${past} bytes`}`, () => {
    assert.equal(skippable(Buffer.from(bytes, 'hex')), past);
  });
}
