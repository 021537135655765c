// Lines that `conntrack -E -o timestamp,id` wrote on a host, and lines it would not write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseConntrackEvent } from './conntrack-event.ts';

const begun =
  '[1700000000.123456]\t    [NEW] tcp      6 120 SYN_SENT src=10.77.0.21 dst=10.77.0.1 sport=43210 dport=80 [UNREPLIED] src=10.77.0.1 dst=10.77.0.21 sport=80 dport=43210 id=123';
const over =
  '[1700000009.5]\t[DESTROY] udp      17 src=fd00::1 dst=fd00::2 sport=5 dport=53 packets=2 bytes=120 src=fd00::2 dst=fd00::1 sport=53 dport=5 packets=1 bytes=300 [ASSURED] delta-time=7 id=9';

test('a beginning and an end', () => {
  assert.deepEqual(parseConntrackEvent(begun), {
    what: 'new',
    protocol: 'tcp',
    atMs: 1_700_000_000_123.456,
    lastedMs: 0,
    original: {
      source: '10.77.0.21',
      target: '10.77.0.1',
      sourcePort: 43_210,
      targetPort: 80,
      packets: null,
      bytes: null,
    },
    reply: {
      source: '10.77.0.1',
      target: '10.77.0.21',
      sourcePort: 80,
      targetPort: 43_210,
      packets: null,
      bytes: null,
    },
    id: '123',
  });
  assert.deepEqual(parseConntrackEvent(over), {
    what: 'destroy',
    protocol: 'udp',
    atMs: 1_700_000_009_500,
    lastedMs: 7000,
    original: { source: 'fd00::1', target: 'fd00::2', sourcePort: 5, targetPort: 53, packets: 2, bytes: 120 },
    reply: { source: 'fd00::2', target: 'fd00::1', sourcePort: 53, targetPort: 5, packets: 1, bytes: 300 },
    id: '9',
  });
});

test('a connection as it is listed', () => {
  const listed =
    'tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=5 dport=6 packets=3 bytes=180 src=10.0.0.2 dst=10.0.0.1 sport=6 dport=5 packets=2 bytes=120 [ASSURED] mark=0 use=1 id=77';
  const { what, atMs, original, reply, id } = parseConntrackEvent(listed) ?? {};
  assert.deepEqual([what, atMs, original?.bytes, reply?.packets, id], ['update', null, 180, 2, '77']);
});

test('other lines are none', () => {
  const others = [
    '',
    'conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown.',
    begun.replace('tcp      6', 'icmp     1'),
    begun.replace('43210', '99999'),
    begun.replace('sport=80 ', ''),
    begun.slice(0, 100),
    begun + ' '.repeat(3000),
  ];
  for (const line of others) assert.equal(parseConntrackEvent(line), null, line.slice(0, 80));
  fc.assert(
    fc.property(fc.nat(over.length - 1), fc.string({ maxLength: 20 }), (at, noise) => {
      const event = parseConntrackEvent(over.slice(0, at) + noise + over.slice(at + noise.length));
      assert.ok(event === null || (event.original.sourcePort <= 0xffff && event.reply.source.length <= 64));
    }),
  );
});
