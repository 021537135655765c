// Orders are checked once, and what passes is harmless wherever it is written.
import assert from 'node:assert/strict';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { assert as holds, property } from 'fast-check';
import { hostileOrder } from '../../../lab/hostile-orders.ts';
import type { Quarantine, VmPort } from '../../model/network-measure.ts';
import { blockText, distinctBlocks, isOfOneMachine, parseBlock, solicitedNode } from './address-block.ts';
import { checkOrder } from './checked-order.ts';

const texts: readonly (readonly [string, string | null])[] = [
  ['10.0.0.1', '10.0.0.1'],
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['10.1.2.3/0', '0.0.0.0/0'],
  ['10.1.2.3/32', '10.1.2.3'],
  ['FD00::AB:1', 'fd00::ab:1'],
  ['fd00:1:2:3:4:5:6:7/60', 'fd00:1:2::/60'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
  ['::ffff:10.1.2.3/64', null],
  ['10.0.0.1/33', null],
  ['fd00::/129', null],
  ['10.0.0', null],
  ['10.0.0.1/', null],
  ['10.0.0.1/-1', null],
  ['localhost', null],
  ['10.0.0.1\n', null],
];

test('addresses and blocks are written one way, and nothing else is one', () => {
  for (const [given, wanted] of texts) {
    const block = parseBlock(given);
    assert.equal(block === null ? null : blockText(block), wanted, JSON.stringify(given));
  }
});

test('a block within another is not said twice', () => {
  const blocks = ['10.0.0.1', '10.0.0.0/8', '11.0.0.1', 'fd00::1', 'fd00::/64', '10.0.0.0/8'].flatMap(
    (text) => parseBlock(text) ?? [],
  );
  assert.deepEqual(distinctBlocks(blocks).map(blockText).toSorted(), ['10.0.0.0/8', '11.0.0.1', 'fd00::/64']);
});

test('where an address is asked for', () => {
  const node = (text: string): string | null => solicitedNode(parseBlock(text) ?? assert.fail(text));
  assert.equal(node('fd00::12:3456'), 'ff02::1:ff12:3456');
  assert.equal(node('fd00::/64'), null);
  assert.equal(node('10.0.0.1'), null);
});

test('which addresses one machine of a network can have', () => {
  const texts = [
    '10.0.0.1',
    'fd00::1',
    '2001:db8::1',
    '::ffff:10.0.0.1',
    '127.0.0.1',
    '169.254.1.1',
    '0.0.0.0',
    '10.0.0.0/31',
  ];
  const never = ['224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'ff02::1', 'fd00::/64'];
  const those = [...texts, ...never].filter((text) => isOfOneMachine(parseBlock(text) ?? assert.fail(text)));
  assert.deepEqual(those, texts.slice(0, 4));
});

test('an order keeps its digest over an upgrade, and what a VM claims makes it another', () => {
  const port: VmPort = {
    vm: '0f3f6a52-0000-4000-8000-000000000001',
    interface: 'tap0',
    mac: '52:54:00:00:00:01',
    addresses: [],
    bridge: 'br0',
  };
  const measure: Quarantine = { kind: 'quarantine', management: ['10.0.0.3'] };
  const digestOf = (more: Partial<VmPort>): string => {
    const order = checkOrder({ ...port, ...more }, 'q', measure, 0);
    assert.ok(order.ok);
    return order.value.digest;
  };
  // As switches have it that were told before there were claims.
  assert.equal(digestOf({}), '684746b6');
  assert.equal(digestOf({ claimed: [] }), '684746b6');
  const digests = [{}, { claimed: ['10.0.0.1'] }, { addresses: ['10.0.0.1'] }, { claimed: ['10.0.0.2'] }].map(digestOf);
  assert.equal(new Set(digests).size, 4);
});

test('a file named for an order lies in the directory of evidence, under its own name', () => {
  holds(
    property(hostileOrder, ({ port, id, measure }) => {
      const order = checkOrder(port, id, measure, 0);
      if (!order.ok) return;
      const name = `${order.value.id}-${order.value.port.interface}.pcap`;
      const path = join('/evidence', name);
      assert.equal(dirname(path), '/evidence');
      assert.equal(basename(path), name);
      assert.match(name, /^[A-Za-z0-9][\w.-]{2,90}$/);
    }),
    { numRuns: 5000 },
  );
});
