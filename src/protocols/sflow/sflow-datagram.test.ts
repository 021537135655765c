// sFlow datagrams as Open vSwitch writes them, cut anywhere and made up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseSflow } from './sflow-datagram.ts';

function words(...values: readonly (number | Buffer)[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      if (typeof value !== 'number') return Buffer.concat([value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
      const word = Buffer.alloc(4);
      word.writeUInt32BE(value);
      return word;
    }),
  );
}

const frame = Buffer.from('a frame of 19 bytes');
const raw = words(1, 300, 4, frame.length, frame);
const sample = (input: number): Buffer => words(7, 3, 1, 7, 2, input, 5, 2, 1001, 4, 0, 1, raw.length, raw);
const datagram = (...samples: readonly Buffer[]): Buffer =>
  words(5, 1, Buffer.from([127, 0, 0, 1]), 9, 41, 1000, samples.length, ...samples);

test('headers of sampled packets, with what was lost', () => {
  const body = sample(3);
  const counters = words(2, 8, 0, 0);
  assert.deepEqual(parseSflow(datagram(words(1, body.length, body), counters)), {
    agent: '7f000001',
    subAgent: 9,
    sequence: 41,
    packets: [{ source: 3, sampleNumber: 7, samplingRate: 1, drops: 2, input: 3, header: frame }],
    others: 1,
  });
  const nowhere = sample(0x8000_0001);
  assert.equal(parseSflow(datagram(words(1, nowhere.length, nowhere)))?.packets[0]?.input, 0);
});

test('a sample in the expanded form', () => {
  const body = words(7, 0, 3, 1, 7, 2, 0, 3, 0, 5, 1, 1, raw.length, raw);
  const [packet] = parseSflow(datagram(words(3, body.length, body)))?.packets ?? [];
  assert.deepEqual(packet, { source: 3, sampleNumber: 7, samplingRate: 1, drops: 2, input: 3, header: frame });
});

test('whatever breaks off is none; whatever comes, it ends', () => {
  const body = sample(3);
  const whole = datagram(words(1, body.length, body));
  for (let end = 0; end < whole.length; end += 1) assert.equal(parseSflow(whole.subarray(0, end)), null);
  const noise = fc.tuple(fc.nat(whole.length - 4), fc.nat(0xffff_ffff)).map(([at, word]) => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32BE(word, at);
    return bytes;
  });
  fc.assert(
    fc.property(noise, (bytes) => {
      for (const { header } of parseSflow(bytes)?.packets ?? []) assert.ok(header.length <= bytes.length);
    }),
    { numRuns: 2000 },
  );
});
