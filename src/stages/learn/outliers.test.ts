// Who is the odd one of a service, and when nobody is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Profile } from '../../model/profile.ts';
import { outliersOf } from './outliers.ts';

const at = '2026-11-22T00:00:00.000Z';

/** By member, the numbers of the entries it shows. */
function profileOf(shown: Readonly<Record<string, readonly number[]>>): Profile {
  const ids = [...new Set(Object.values(shown).flat())].sort((a, b) => a - b);
  const entries = ids.map((id) => {
    const members = Object.keys(shown).filter((vm) => shown[vm]?.includes(id));
    const behaviour = { kind: 'listen', exe: '/a', proto: 'tcp', port: String(id + 1) } as const;
    return [`e${id}`, { behaviour, count: 1, firstAt: at, lastAt: at, members }];
  });
  return { scope: 'shop', service: 'web', entries: Object.fromEntries(entries), coverage: [] };
}

const common = [1, 2, 3, 4, 5, 6];

test('a member that does other things is the odd one, with what only it does', () => {
  const [odd, ...more] = outliersOf(profileOf({ a: common, b: common, c: [...common, 7], d: [1, 20, 21, 22, 23, 24] }));
  assert.equal(more.length, 0);
  assert.deepEqual([odd?.vm, odd?.alone], ['d', ['e20', 'e21', 'e22', 'e23', 'e24']]);
  assert.ok((odd?.disagreement ?? 0) > 0.8 && (odd?.disagreement ?? 2) <= 1);
});

const nobody: readonly (readonly [string, Readonly<Record<string, readonly number[]>>])[] = [
  ['two members, of whom either could be it', { a: common, b: [20, 21, 22, 23] }],
  ['a member with a few jobs of its own', { a: common, b: common, c: [...common, 7, 8, 9] }],
  ['a member that did less', { a: common, b: common, c: [1] }],
  ['members of which each does something else', { a: [1, 2, 3, 4], b: [5, 6, 7, 8], c: [9, 10, 11, 12] }],
  ['nobody', {}],
];
for (const [title, shown] of nobody) test(`none: ${title}`, () => assert.deepEqual(outliersOf(profileOf(shown)), []));

test('members that are alike are never odd, and what is called alone is', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(12), { maxLength: 10 }), { minLength: 3, maxLength: 6 }), (lists) => {
      const shown = Object.fromEntries(lists.map((ids, i) => [`m${i}`, ids]));
      for (const { vm, alone } of outliersOf(profileOf(shown)))
        for (const id of alone)
          assert.deepEqual(
            Object.keys(shown).filter((other) => shown[other]?.includes(Number(id.slice(1)))),
            [vm],
          );
      const same = Object.fromEntries(lists.map((_, i) => [`m${i}`, lists[0] ?? []]));
      assert.deepEqual(outliersOf(profileOf(same)), []);
    }),
  );
});
