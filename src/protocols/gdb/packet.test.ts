// Packets of the gdb protocol, whole, in pieces, among noise, and damaged.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, integer, property, string, uint8Array } from 'fast-check';
import { acknowledgement, encodePacket, PacketReader } from './packet.ts';

const sums: readonly (readonly [string, string])[] = [
  ['', '$#00'],
  ['g', '$g#67'],
  ['OK', '$OK#9a'],
  ['vCont;c', '$vCont;c#a8'],
  ['\xff\x02', '$\xff\x02#01'],
];

for (const [text, framed] of sums)
  test(`frames ${JSON.stringify(text)}`, () => assert.equal(encodePacket(text), framed));

const texts = array(
  string({ unit: 'binary-ascii', maxLength: 60 }).map((text) => text.replaceAll(/[$#]/g, '')),
  { maxLength: 12 },
);

test('whatever pieces packets come in, with acknowledgements between, they come out whole and in order', () => {
  holds(
    property(texts, array(integer({ min: 1, max: 40 }), { minLength: 1 }), (words, lengths) => {
      const bytes = Buffer.from(words.map((word) => `+${encodePacket(word)}`).join(''), 'latin1');
      const reader = new PacketReader();
      const telling = new PacketReader(true);
      const read: string[] = [];
      const told: string[] = [];
      for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
        const length = lengths[piece % lengths.length] ?? 1;
        read.push(...reader.feed(bytes.subarray(at, at + length)));
        told.push(...telling.feed(bytes.subarray(at, at + length)));
        at += length;
      }
      assert.deepEqual(read, words);
      assert.deepEqual(
        told,
        words.flatMap((word) => [acknowledgement, word]),
      );
      assert.equal(reader.damaged, 0);
    }),
  );
});

test('noise never throws, and a packet after it is still read', () => {
  holds(
    property(uint8Array({ maxLength: 200 }), (noise) => {
      const reader = new PacketReader();
      reader.feed(Buffer.from(noise));
      // Ends whatever the noise began.
      reader.feed(Buffer.from('#zz'));
      assert.deepEqual(reader.feed(Buffer.from(encodePacket('T05'))), ['T05']);
    }),
  );
});

test('a wrong checksum is counted, not believed', () => {
  const reader = new PacketReader();
  assert.deepEqual(reader.feed(Buffer.from('$OK#9b$E22#a9')), ['E22']);
  assert.equal(reader.damaged, 1);
});

test('a packet without an end is given up before it fills the memory', () => {
  const reader = new PacketReader();
  for (let piece = 0; piece < 40; piece += 1) reader.feed(Buffer.from(`$${'a'.repeat(4096)}`));
  assert.ok(reader.damaged > 0);
});
