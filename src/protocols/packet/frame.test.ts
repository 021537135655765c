// Frames as the wire has them, whole, cut short and made up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { canonicalAddress, ipv6Text } from './address-text.ts';
import { parseFrame } from './frame.ts';

const macs = '525400770021525400770022';
const ipv4 = (protocol: string, rest: string, fragment = '4000'): Buffer =>
  Buffer.from(`${macs}08004500003c1234${fragment}40${protocol}00000a4d00150a4d0016${rest}`, 'hex');
const tcp = 'b3b01b580000000100000005a002faf000000000';
const udp = 'b3b01b5800100000';
const layers = { targetMac: '52:54:00:77:00:21', sourceMac: '52:54:00:77:00:22' };
const ends = { source: '10.77.0.21', target: '10.77.0.22', sourcePort: 46_000, targetPort: 7000, ipBytes: 60 };
const opening = { flags: 2, sequence: 1, acknowledged: 5 };
const none = { flags: 0, sequence: 0, acknowledged: 0 };

test('what a frame says of a connection', () => {
  const cases: readonly (readonly [string, Buffer, object | null])[] = [
    [
      'a TCP opening',
      ipv4('06', tcp),
      { kind: 'transport', protocol: 'tcp', ...ends, ...opening, payloadAt: 74, fragments: null },
    ],
    [
      'a datagram',
      ipv4('11', udp),
      { kind: 'transport', protocol: 'udp', ...ends, ...none, payloadAt: 42, fragments: null },
    ],
    [
      'the first part of a datagram in parts',
      ipv4('11', udp, '2000'),
      {
        kind: 'transport',
        protocol: 'udp',
        ...ends,
        ...none,
        payloadAt: 42,
        fragments: '10.77.0.21 10.77.0.22 17 4660',
      },
    ],
    [
      'a later part',
      ipv4('11', '', '00b9'),
      { kind: 'fragment', fragments: '10.77.0.21 10.77.0.22 17 4660', ipBytes: 60 },
    ],
    ['a ping', ipv4('01', '0800'), { kind: 'other' }],
    ['a TCP header that breaks off', ipv4('06', 'b3b01b58'), null],
    ['an IPv4 header that breaks off', ipv4('06', '').subarray(0, 30), null],
    ['another version under that type', Buffer.from(`${macs}08006500${'00'.repeat(60)}`, 'hex'), null],
    ['spanning tree', Buffer.from(`${macs}0026424203${'00'.repeat(30)}`, 'hex'), { kind: 'other' }],
    ['less than Ethernet', Buffer.from(macs, 'hex'), null],
  ];
  for (const [name, bytes, expected] of cases)
    assert.deepEqual(parseFrame(bytes), expected === null ? null : { ...layers, ...expected }, name);
});

test('VLAN tags are passed over, two of them as well', () => {
  const plain = ipv4('06', tcp);
  for (const tags of ['81000064', '88a8006481000065']) {
    const tagged = Buffer.concat([plain.subarray(0, 12), Buffer.from(tags, 'hex'), plain.subarray(12)]);
    const at = 74 + tags.length / 2;
    assert.deepEqual(parseFrame(tagged), {
      ...layers,
      kind: 'transport',
      protocol: 'tcp',
      ...ends,
      ...opening,
      payloadAt: at,
      fragments: null,
    });
  }
});

test('IPv6 with extension headers, in parts, and what neighbours claim', () => {
  const six = (next: string, rest: string): Buffer =>
    Buffer.from(
      `${macs}86dd600000000028${next}40fd0000000000000000000000000000150000000000000000000000000a4d0016${rest}`,
      'hex',
    );
  const header = {
    ...layers,
    kind: 'transport',
    protocol: 'tcp',
    source: 'fd00::15',
    target: '::a4d:16',
    sourcePort: 46_000,
    targetPort: 7000,
  };
  const said = { ...header, ...opening, ipBytes: 80 };
  assert.deepEqual(parseFrame(six('06', tcp)), { ...said, payloadAt: 94, fragments: null });
  assert.deepEqual(parseFrame(six('00', `0600000000000000${tcp}`)), { ...said, payloadAt: 102, fragments: null });
  assert.deepEqual(parseFrame(six('2c', `0600000100000007${tcp}`)), {
    ...said,
    payloadAt: 102,
    fragments: 'fd00::15 ::a4d:16 6 7',
  });
  assert.deepEqual(parseFrame(six('2c', `06000ff000000007${tcp}`)), {
    ...layers,
    kind: 'fragment',
    fragments: 'fd00::15 ::a4d:16 6 7',
    ipBytes: 80,
  });
  assert.equal(parseFrame(six('00', '00ff')), null);
  const advertised = six('3a', `88000000e0000000fd000000000000000000000000000015`);
  assert.deepEqual(parseFrame(advertised), { ...layers, kind: 'claim', address: 'fd00::15' });
});

test('an address is claimed by ARP in the sender’s own name only', () => {
  const arp = (sender: string, address: string): Buffer =>
    Buffer.from(`${macs}08060001080006040002${sender}${address}5254007700210a4d0015`, 'hex');
  assert.deepEqual(parseFrame(arp('525400770022', '0a4d0016')), { ...layers, kind: 'claim', address: '10.77.0.22' });
  assert.deepEqual(parseFrame(arp('525400770099', '0a4d0016')), { ...layers, kind: 'other' });
  assert.deepEqual(parseFrame(arp('525400770022', '00000000')), { ...layers, kind: 'other' });
});

test('whatever the bytes, there is an answer and it stays within them', () => {
  const plausible = fc
    .tuple(
      fc.constantFrom('0800', '86dd', '0806', '8100'),
      fc.constantFrom('45', '4f', '60', '00'),
      fc.uint8Array({ maxLength: 120 }),
    )
    .map(([type, first, rest]) => Buffer.concat([Buffer.from(macs + type + first, 'hex'), rest]));
  fc.assert(
    fc.property(
      fc.oneof(
        plausible,
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        const frame = parseFrame(bytes);
        if (frame?.kind === 'transport')
          assert.ok(frame.ipBytes >= 0 && frame.sourcePort <= 0xffff && frame.payloadAt > 0);
      },
    ),
    { numRuns: 2000 },
  );
});

test('every address has one spelling', () => {
  const cases: readonly (readonly [string, string | null])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['FE80::0001%eth0', 'fe80::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:0a00:0001', '10.0.0.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['10.0.0', null],
    ['::1::', null],
    ['', null],
  ];
  for (const [text, expected] of cases) assert.equal(canonicalAddress(text), expected, text);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = ipv6Text(Buffer.from(bytes), 0);
      assert.equal(canonicalAddress(text), text);
    }),
  );
  fc.assert(fc.property(fc.ipV6(), (text) => assert.notEqual(canonicalAddress(text), null)));
});
