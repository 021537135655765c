// IPFIX of one exporter: templates first, records by them, and what cannot be understood.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { IpfixReader } from './ipfix-message.ts';

const fields: readonly (readonly [element: number, length: number, enterprise?: boolean])[] = [
  [61, 1],
  [56, 6],
  [80, 6],
  [4, 1],
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [82, 0xffff],
  [55_829, 4, true],
  [2, 8],
  [1, 4],
  [158, 4],
  [159, 4],
];

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => bytes.writeUInt16BE(value, index * 2));
  return bytes;
}

function set(id: number, body: Buffer): Buffer {
  return Buffer.concat([u16(id, body.length + 4), body]);
}

function message(sequence: number, ...sets: readonly Buffer[]): Buffer {
  const body = Buffer.concat(sets);
  const header = Buffer.alloc(16);
  header.writeUInt16BE(10, 0);
  header.writeUInt16BE(16 + body.length, 2);
  header.writeUInt32BE(1_700_000_000, 4);
  header.writeUInt32BE(sequence, 8);
  header.writeUInt32BE(7, 12);
  return Buffer.concat([header, body]);
}

const template = set(
  2,
  Buffer.concat([
    u16(300, fields.length),
    ...fields.map(([element, length, enterprise]) =>
      enterprise === true ? Buffer.concat([u16(element | 0x8000, length), Buffer.alloc(4, 1)]) : u16(element, length),
    ),
  ]),
);
const data = Buffer.from(
  [
    '00',
    '525400770021',
    '525400770022',
    '06',
    '0a4d0015',
    '0a4d0016',
    'b3b0',
    '1b58',
    '03746170',
    'ffffffff',
    '0000000000000005',
    '00000200',
    '001e8480',
    '000f4240',
  ].join(''),
  'hex',
);
const record = {
  protocol: 6,
  source: '10.77.0.21',
  target: '10.77.0.22',
  sourcePort: 46_000,
  targetPort: 7000,
  sourceMac: '52:54:00:77:00:21',
  targetMac: '52:54:00:77:00:22',
  bytes: 512,
  packets: 5,
  startMs: 1_699_999_998_000,
  endMs: 1_699_999_999_000,
  egress: false,
};

test('records by the template that came before them', () => {
  const reader = new IpfixReader();
  assert.deepEqual(reader.read(message(0, set(300, data))), {
    domain: 7,
    sequence: 0,
    records: 0,
    flows: [],
    unknownSets: 1,
  });
  reader.read(message(0, template));
  const padded = Buffer.concat([data, data, Buffer.alloc(3)]);
  assert.deepEqual(reader.read(message(4, set(300, padded))), {
    domain: 7,
    sequence: 4,
    records: 2,
    flows: [record, record],
    unknownSets: 0,
  });
});

test('options are counted and say nothing of flows; a withdrawn template makes no record', () => {
  const reader = new IpfixReader();
  const options = set(3, Buffer.concat([u16(400, 2, 1, 149, 4, 41, 8)]));
  reader.read(message(0, options));
  assert.deepEqual(reader.read(message(0, set(400, Buffer.alloc(24)))), {
    domain: 7,
    sequence: 0,
    records: 2,
    flows: [],
    unknownSets: 0,
  });
  reader.read(message(2, set(2, u16(300, 0))));
  assert.equal(reader.read(message(2, set(300, data)))?.records, 0);
});

test('whatever the bytes, it ends, and what was learned before holds', () => {
  const whole = message(0, template, set(300, data));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(whole.length),
      (edits, end) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of edits) bytes[at] = value;
        const read = new IpfixReader().read(bytes.subarray(0, end));
        assert.ok(read === null || read.flows.length <= read.records);
      },
    ),
    { numRuns: 2000 },
  );
  assert.equal(new IpfixReader().read(Buffer.from('000900')), null);
});
