// Addresses of a guest, by its sockets: those that can be asked for, the most used first, and not for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwnAddresses } from './own-addresses.ts';

const sockets = (...addresses: readonly string[]) => addresses.map((localAddress) => ({ localAddress }));

test('the most used address of the last look comes first, loopback and the like not at all', () => {
  const own = new OwnAddresses();
  assert.deepEqual(own.list(), []);
  own.note(
    sockets('0.0.0.0', '::', '127.0.0.1', '::1', 'fe80::1', '172.17.0.2', '10.0.0.1', '::ffff:10.0.0.1', '10.0.0.1'),
    0,
  );
  assert.deepEqual(own.list(), ['10.0.0.1', '172.17.0.2']);
  own.note(sockets('172.17.0.2', 'fd00::1'), 5000);
  assert.deepEqual(own.list(), ['fd00::1', '172.17.0.2', '10.0.0.1']);
});

test('what no socket has had for ten minutes is forgotten, and looks within a second count as one', () => {
  const own = new OwnAddresses();
  own.note(sockets('10.0.0.1'), 0);
  own.note(sockets('10.0.0.2'), 999);
  assert.deepEqual(own.list(), ['10.0.0.1']);
  own.note(sockets('10.0.0.2'), 600_000);
  assert.deepEqual(own.list(), ['10.0.0.2', '10.0.0.1']);
  own.note(sockets(), 600_001 + 1000);
  assert.deepEqual(own.list(), ['10.0.0.2']);
});

test('a guest with hundreds keeps those that most of its sockets have', () => {
  const own = new OwnAddresses();
  const many = Array.from({ length: 300 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
  own.note(sockets('10.0.0.1', '10.0.0.1', ...many), 0);
  own.note(sockets('10.0.0.1', '10.0.0.1', ...many.toReversed()), 2000);
  assert.equal(own.list().length, 16);
  assert.equal(own.list()[0], '10.0.0.1');
});
