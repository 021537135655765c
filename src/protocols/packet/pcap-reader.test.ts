// A capture as it arrives: in any pieces, in either byte order, and what is none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PcapReader, type CapturedPacket } from './pcap-reader.ts';

function header(magic: number, linkType = 1): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(linkType, 20);
  return bytes;
}

function record(seconds: number, fraction: number, content: Uint8Array): Buffer {
  const bytes = Buffer.alloc(16);
  [seconds, fraction, content.length, content.length].forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return Buffer.concat([bytes, content]);
}

function readAll(chunks: readonly Buffer[]): { packets: CapturedPacket[]; reader: PcapReader } {
  const reader = new PcapReader();
  const packets: CapturedPacket[] = [];
  for (const chunk of chunks)
    reader.read(chunk, ({ atMs, bytes }) => packets.push({ atMs, bytes: Buffer.from(bytes) }));
  return { packets, reader };
}

test('every packet once, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }),
      fc.array(fc.nat(200), { maxLength: 8 }),
      (contents, cuts) => {
        const whole = Buffer.concat([
          header(0xa1b2c3d4),
          ...contents.map((content, i) => record(i, i * 1000, content)),
        ]);
        const at = [
          0,
          ...cuts.map((cut) => Math.min(cut, whole.length)).sort((one, other) => one - other),
          whole.length,
        ];
        const { packets, reader } = readAll(at.slice(1).map((end, i) => whole.subarray(at[i], end)));
        assert.equal(reader.problem, null);
        assert.deepEqual(
          packets,
          contents.map((content, i) => ({ atMs: i * 1001, bytes: Buffer.from(content) })),
        );
      },
    ),
  );
});

test('nanoseconds and the other byte order', () => {
  const nanoseconds = readAll([header(0xa1b23c4d), record(2, 5_000_000, Buffer.from('x'))]);
  assert.equal(nanoseconds.packets[0]?.atMs, 2005);
  const swapped = Buffer.concat([header(0xa1b2c3d4), record(2, 5000, Buffer.from('wxyz'))]).swap32();
  assert.deepEqual(readAll([swapped]).packets, [{ atMs: 2005, bytes: Buffer.from('wxyz').swap32() }]);
});

test('what is no capture of Ethernet frames is said, and read no further', () => {
  const cases = [
    [Buffer.from('tcpdump: no such device exists, and so on')],
    [header(0xa1b2c3d4, 113)],
    [header(0xa1b2c3d4), record(1, 1, Buffer.alloc(0)).fill(0xff, 8)],
  ];
  for (const chunks of cases) {
    const { reader, packets } = readAll([...chunks, record(1, 1, Buffer.from('x'))]);
    assert.match(reader.problem?.message ?? '', /no capture of Ethernet frames/);
    assert.deepEqual(packets, []);
  }
});
