// Which changes of rights a system call can bring about, and which none can.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, constantFrom, integer, property } from 'fast-check';
import { gainOf } from './credentials.ts';

type Rights = Parameters<typeof gainOf>[0];

const user: Rights = {
  execGeneration: 4,
  uids: [1000, 1000, 1000, 1000],
  permittedLow: 0,
  permittedHigh: 0,
  userNamespace: 64,
};
const setuid = 1 << 7;
const all = { permittedLow: 0xffff_ffff, permittedHigh: 0x1ff };

const cases: readonly (readonly [string, Rights, Rights, ReturnType<typeof gainOf>])[] = [
  ['nothing changed', user, user, null],
  ['root by nothing', user, { ...user, uids: [0, 0, 0, 0] }, 'ids'],
  ['another user by nothing', user, { ...user, uids: [1000, 1001, 1000, 1001] }, 'ids'],
  ['only the file system user id', user, { ...user, uids: [1000, 1000, 1000, 0] }, 'ids'],
  ['a capability by nothing', user, { ...user, permittedLow: 0x20_0000 }, 'capabilities'],
  ['a capability of the upper half', user, { ...user, permittedHigh: 1 }, 'capabilities'],
  ['capabilities within those of root', { ...user, ...all }, { ...user, permittedLow: 1 }, null],
  ['a daemon that steps down', { ...user, uids: [0, 0, 0, 0], ...all }, user, null],
  ['between its own ids', { ...user, uids: [1000, 33, 1000, 33] }, { ...user, uids: [33, 1000, 33, 1000] }, null],
  ['back to the saved root', { ...user, uids: [1000, 1000, 0, 1000] }, { ...user, uids: [1000, 0, 0, 0] }, null],
  [
    'whoever may set ids',
    { ...user, permittedLow: setuid },
    { ...user, permittedLow: setuid, uids: [5, 5, 5, 5] },
    null,
  ],
  ['a program executed', user, { ...user, execGeneration: 5, uids: [1000, 0, 0, 0], ...all }, null],
  ['a user namespace of its own', user, { ...user, userNamespace: 128, ...all }, null],
];
for (const [what, before, now, expected] of cases) {
  test(`${what}: ${expected ?? 'may be'}`, () => assert.equal(gainOf(before, now), expected));
}

test('a process without rights that changes its ids as calls allow never gains', () => {
  holds(
    property(
      array(constantFrom(0, 1, 2, 3), { minLength: 4, maxLength: 4 }),
      integer(),
      integer(),
      (picks, low, high) => {
        const before = { ...user, uids: [1000, 33, 7, 33], permittedLow: low & ~setuid, permittedHigh: high };
        const uids = picks.map((pick) => before.uids[pick] ?? 0);
        assert.equal(gainOf(before, { ...before, uids, permittedLow: before.permittedLow & 0x0f0f_0f0f }), null);
      },
    ),
  );
});
