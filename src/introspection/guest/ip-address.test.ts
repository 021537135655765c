// Addresses as the kernel keeps them, as people write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, property, uint8Array } from 'fast-check';
import { ipv4Text, ipv6Text } from './ip-address.ts';

function words(bytes: Uint8Array): [number, number, number, number] {
  const view = Buffer.from(bytes);
  return [view.readUInt32LE(0), view.readUInt32LE(4), view.readUInt32LE(8), view.readUInt32LE(12)];
}

function parse(text: string): [number, number, number, number] {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [
    ...before,
    ...Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => 0),
    ...after,
  ];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(group, 2 * index));
  return words(bytes);
}

test('IPv4', () => {
  assert.equal(ipv4Text(0x0100_007f), '127.0.0.1');
  assert.equal(ipv4Text(0), '0.0.0.0');
  assert.equal(ipv4Text(0xffff_ffff), '255.255.255.255');
});

test('IPv6 in the one form RFC 5952 allows', () => {
  const texts = [
    '::',
    '::1',
    'fe80::1',
    '2001:db8::1:0:0:1',
    '2001:db8:0:1:1:1:1:1',
    '1:0:0:2::3',
    'a:b:c:d:e:f:1:2',
    '1::',
  ];
  for (const text of texts) assert.equal(ipv6Text(...parse(text)), text);
  assert.equal(ipv6Text(0, 0, 0xffff_0000, 0x0201_000a), '::ffff:10.0.1.2');
});

test('IPv6 texts say the address and nothing else', () => {
  holds(
    property(uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = ipv6Text(...words(bytes));
      const said = new URL(`http://[${text}]/`).hostname;
      assert.equal(
        new URL(
          `http://[${Buffer.from(bytes)
            .toString('hex')
            .replace(/(....)(?=.)/g, '$1:')}]/`,
        ).hostname,
        said,
      );
    }),
  );
});
