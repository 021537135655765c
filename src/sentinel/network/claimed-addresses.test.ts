// Which of the addresses that a VM claims are named: never one of another machine that is known, never more than a few.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Quarantine } from '../../model/network-measure.ts';
import { claimedAddresses, claimedMax } from './claimed-addresses.ts';

const quarantine: Quarantine = {
  kind: 'quarantine',
  management: ['10.0.0.3', '10.9.0.0/16', 'fd00::3'],
  routers: ['10.0.0.254'],
};

const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['its own', ['10.0.0.1', 'fd00::1'], ['10.0.0.1', 'fd00::1']],
  ['its own, however written', ['::ffff:10.0.0.1', '10.0.0.1', 'FD00:0::1', 'fd00::1'], ['10.0.0.1', 'fd00::1']],
  ['management’s', ['10.0.0.3', '::ffff:10.0.0.3', 'fd00:0:0::3', '10.9.1.2', '10.0.0.1'], ['10.0.0.1']],
  ['a router’s', ['10.0.0.254'], []],
  ['a neighbour’s', ['10.0.0.7', 'fd00::7', '::ffff:10.0.0.7', '10.0.0.8'], ['10.0.0.8']],
  [
    'nobody’s and everybody’s',
    ['127.0.0.1', '::1', '0.0.0.0', '::', '169.254.0.9', 'fe80::1', '224.0.0.1', 'ff02::1'],
    [],
  ],
  ['a block', ['10.0.0.0/8', '::/0', '10.0.0.1'], ['10.0.0.1']],
  ['no address', ['', 'localhost', '10.0.0.1,actions=NORMAL', '10.0.0.1\n', 'fe80::1%eth0'], []],
];

for (const [what, own, named] of rows)
  test(`claimed: ${what}`, () => {
    assert.deepEqual(claimedAddresses({ own, others: ['::ffff:10.0.0.7', 'fd00::7'] }, quarantine), named);
  });

test('one that claims hundreds is named by the first of them', () => {
  const own = Array.from({ length: 300 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
  assert.deepEqual(claimedAddresses({ own, others: [] }, quarantine), own.slice(0, claimedMax));
});

test('whatever is claimed, a name is one address that is nobody else’s', () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc.constantFrom('10.0.0.1', '10.0.0.3', '10.9.0.1', 'fd00::3', '::ffff:10.9.0.1', '10.0.0.254'),
  );
  const some = fc.array(address, { maxLength: 40 });
  fc.assert(
    fc.property(some, some, (own, others) => {
      const named = claimedAddresses({ own, others }, quarantine);
      assert.ok(named.length <= claimedMax && new Set(named).size === named.length);
      for (const one of named) {
        assert.match(one, /^[0-9a-f.:]{2,39}$/);
        assert.ok(!others.includes(one) && !/^10\.(?:9\.|0\.0\.(?:3|254)$)|^127\.|^fe80:/.test(one), one);
      }
      assert.deepEqual(claimedAddresses({ own: [...own, ...own], others }, quarantine), named);
    }),
  );
});
