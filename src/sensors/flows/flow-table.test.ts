// Connections opened once, counted, ended once, in whatever order and from whichever sources they are told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { FlowEnds, FlowSighting } from './flow.ts';
import type { FlowRecord } from './flow-record.ts';
import { FlowTable } from './flow-table.ts';
import { NameTable } from './name-table.ts';

const syn = 2;
const ack = 16;
const fin = 17;
const rst = 4;
const ends: FlowEnds = {
  proto: 'tcp',
  localAddr: '10.0.0.2',
  localPort: 40_000,
  remoteAddr: '10.0.0.1',
  remotePort: 80,
};
const epoch = 1_700_000_000_000;

function tableOf(flowsMax?: number) {
  const opened: FlowRecord[] = [];
  const ended: FlowRecord[] = [];
  const names = new NameTable();
  const table = new FlowTable({
    names,
    listener: { opened: ({ record }) => opened.push(record), ended: ({ record }) => ended.push(record) },
    ...(flowsMax === undefined ? {} : { flowsMax }),
  });
  return { table, opened, ended, names };
}

function packet(way: 'sent' | 'received', atMs: number, flags: number, sequence = 1, acknowledged = 0): FlowSighting {
  const startMs = epoch + atMs;
  return { by: 'tap', way, startMs, endMs: startMs, packets: 1, bytes: 100, tcp: { flags, sequence, acknowledged } };
}

/** Opened by the guest, answered, said goodbye to by both. */
const whole = [
  packet('sent', 0, syn, 7),
  packet('received', 1, syn | ack, 90, 8),
  packet('sent', 2, ack, 8),
  packet('sent', 3, fin, 8),
  packet('received', 4, fin, 91),
  packet('sent', 5, ack, 9),
];

test('a connection from its opening to its end', () => {
  const { table, opened, ended } = tableOf();
  for (const sighting of whole) table.see('a', ends, sighting);
  table.expire(epoch + 1000);
  assert.deepEqual([opened.length, ended.length], [1, 0]);
  table.expire(epoch + 3000);
  assert.deepEqual(ended, [
    {
      id: 1,
      vm: 'a',
      direction: 'outbound',
      ...ends,
      remoteName: null,
      firstSeen: '2023-11-14T22:13:20.000Z',
      lastSeen: '2023-11-14T22:13:20.005Z',
      bytesOut: 400,
      bytesIn: 200,
      packetsOut: 4,
      packetsIn: 2,
      end: 'closed',
      by: ['tap'],
    },
  ]);
  assert.equal(table.open().length, 0);
});

test('what a guest is known to have sent leaves out its refusals', () => {
  const { table } = tableOf();
  table.see('a', ends, packet('received', 0, syn, 7));
  table.see('a', ends, packet('sent', 5, rst | ack));
  assert.deepEqual(table.open()[0]?.evidence, { sentMs: null, acceptedMs: null });
  const other = { ...ends, remotePort: 81 };
  table.see('a', other, packet('received', 0, syn, 7));
  table.see('a', other, packet('sent', 5, syn | ack, 1, 8));
  table.see('a', other, packet('sent', 9, ack));
  const evidence = table.open()[1]?.evidence;
  assert.deepEqual(evidence, { sentMs: [epoch + 5, epoch + 9], acceptedMs: [epoch + 5, epoch + 5] });
});

test('in any order, samples of one connection make one record of it', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(whole, { minLength: whole.length }), (order) => {
      const { table, opened, ended } = tableOf();
      for (const sighting of order) table.see('a', ends, { ...sighting, by: 'sflow' });
      table.expire(epoch + 10_000);
      assert.deepEqual([opened.length, ended.length], [1, 1]);
      const [record] = ended;
      assert.deepEqual(
        [record?.direction, record?.packetsOut, record?.packetsIn, record?.end],
        ['outbound', 4, 2, 'closed'],
      );
    }),
  );
});

test('another opening between the same ends is another connection; the same one repeated is not', () => {
  const { table, opened, ended } = tableOf();
  for (const sighting of [...whole.slice(0, 1), ...whole]) table.see('a', ends, sighting);
  table.see('a', ends, packet('sent', 100, syn, 8000));
  assert.deepEqual([opened.length, ended.length, ended[0]?.packetsOut], [2, 1, 5]);
});

test('what comes after the end belongs to nobody, and is counted', () => {
  const { table, opened } = tableOf();
  for (const sighting of whole) table.see('a', ends, sighting);
  table.expire(epoch + 3000);
  table.see('a', ends, packet('received', 3500, ack));
  table.see('a', ends, { ...packet('received', 3600, 0), by: 'ipfix', tcp: null });
  assert.deepEqual([opened.length, table.health().late], [1, 2]);
  table.see('a', ends, packet('sent', 4000, syn, 9000));
  assert.equal(opened.length, 2);
});

test('an exchange of datagrams ends when it has been silent, and may begin anew', () => {
  const { table, opened, ended } = tableOf();
  const udp: FlowEnds = { ...ends, proto: 'udp', remotePort: 53 };
  const datagram = (way: 'sent' | 'received', atMs: number): FlowSighting => ({ ...packet(way, atMs, 0), tcp: null });
  table.see('a', udp, datagram('sent', 0));
  table.see('a', udp, datagram('received', 20));
  table.expire(epoch + 29_000);
  assert.equal(ended.length, 0);
  table.expire(epoch + 31_000);
  assert.deepEqual([ended[0]?.end, ended[0]?.direction], ['idle', 'outbound']);
  table.see('a', udp, datagram('received', 32_000));
  assert.deepEqual([opened.length, opened[1]?.direction], [2, 'inbound']);
});

test('who counts wins over who sees, and a record waits for its counts', () => {
  const { table, ended } = tableOf();
  for (const sighting of whole) table.see('a', ends, { ...sighting, packets: 0, bytes: 0 });
  table.expire(epoch + 9000);
  assert.equal(ended.length, 0);
  const listed = {
    by: 'conntrack',
    way: 'sent',
    startMs: epoch,
    endMs: epoch + 3000,
    packets: 0,
    bytes: 0,
    tcp: null,
  } as const;
  table.settle('a', ends, { out: { packets: 4, bytes: 400 }, in: { packets: 2, bytes: 200 } }, listed, false);
  table.expire(epoch + 11_000);
  assert.deepEqual([ended[0]?.bytesOut, ended[0]?.bytesIn, ended[0]?.end], [400, 200, 'closed']);
  assert.equal(ended[0]?.lastSeen, '2023-11-14T22:13:20.005Z');
});

test('one that is only listed is open until it is let go of, and what is listed longer begins nothing', () => {
  const { table, opened, ended } = tableOf();
  const udp: FlowEnds = { ...ends, proto: 'udp' };
  const count = (packets: number, atMs: number, over = false): void => {
    const at = { startMs: epoch + atMs, endMs: epoch + atMs };
    const totals = { out: { packets, bytes: packets * 50 }, in: { packets: 0, bytes: 0 } };
    table.settle('a', udp, totals, { by: 'conntrack', way: 'sent', ...at, packets: 0, bytes: 0, tcp: null }, over);
  };
  count(1, 0);
  count(2, 25_000);
  count(2, 150_000);
  table.expire(epoch + 151_000);
  assert.deepEqual([opened.length, ended.length], [1, 0]);
  count(2, 160_000, true);
  count(2, 161_000);
  assert.deepEqual([ended[0]?.end, ended[0]?.bytesOut, opened.length], ['idle', 100, 1]);
});

test('a full table lets go of the one not heard of for longest, and says so', () => {
  const { table, ended } = tableOf(3);
  for (let port = 1; port <= 5; port += 1)
    table.see('a', { ...ends, localPort: port }, packet('sent', port, syn, port));
  assert.deepEqual(
    ended.map(({ localPort, end }) => [localPort, end]),
    [
      [1, 'evicted'],
      [2, 'evicted'],
    ],
  );
  assert.deepEqual(table.health(), { open: 3, evicted: 2, late: 0 });
});

test('between two watched VMs each has its own; one that stops takes only its own along', () => {
  const { table, ended } = tableOf();
  table.see('a', ends, packet('sent', 0, syn));
  const turned = { ...ends, localAddr: ends.remoteAddr, localPort: 80, remoteAddr: ends.localAddr, remotePort: 40_000 };
  table.see('b', turned, packet('received', 0, syn));
  table.stop('a');
  assert.deepEqual(
    ended.map(({ vm, end, direction }) => [vm, end, direction]),
    [['a', 'stopped', 'outbound']],
  );
  assert.equal(table.open('b')[0]?.record.direction, 'inbound');
});

test('a name is a VM’s own, and only while it holds', () => {
  const { table, opened, names } = tableOf();
  names.learn('a', { name: 'shop.example', address: '10.0.0.1', ttlSeconds: 300 }, epoch);
  table.see('a', ends, packet('sent', 100, syn));
  table.see('b', ends, packet('sent', 100, syn));
  table.see('a', { ...ends, localPort: 9 }, packet('sent', 301_000, syn));
  assert.deepEqual(
    opened.map(({ remoteName }) => remoteName),
    ['shop.example', null, null],
  );
  names.learn('a', { name: 'brief.example', address: '10.0.0.9', ttlSeconds: 0 }, epoch);
  assert.equal(names.nameOf('a', '10.0.0.9', epoch + 59_000), 'brief.example');
  assert.equal(names.nameOf('a', '10.0.0.9', epoch + 61_000), null);
});
