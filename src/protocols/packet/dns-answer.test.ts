// DNS answers: good ones, aliases, pointers that lead in circles, and noise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseDnsAnswer } from './dns-answer.ts';

const question = '03777777046578616d0000010001'.replace('046578616d', '076578616d706c65');
const answer = (flags: string, counts: string, records: string): Buffer =>
  Buffer.from(`1234${flags}${counts}00000000${question}${records}`, 'hex');
const a = (address: string, owner = 'c00c', ttl = '0000012c'): string => `${owner}00010001${ttl}0004${address}`;

test('names of addresses, by what was asked', () => {
  const named = (address: string, ttlSeconds = 300) => ({ name: 'www.example', address, ttlSeconds });
  const alias = 'c00c000500010000003c00060363646ec010';
  const cases: readonly (readonly [string, Buffer, readonly object[]])[] = [
    ['one address', answer('8180', '00010001', a('0a000001')), [named('10.0.0.1')]],
    [
      'an alias, then its address',
      answer('8180', '00010002', alias + a('0a000001', '0363646ec010')),
      [named('10.0.0.1')],
    ],
    [
      'an IPv6 address',
      answer('8180', '00010001', `c00c001c00010000003c0010${'fd'.padEnd(32, '0')}`),
      [named('fd00::', 60)],
    ],
    [
      'cut off in the second record',
      answer('8180', '00010002', a('0a000001') + a('0a000002').slice(0, -2)),
      [named('10.0.0.1')],
    ],
    [
      'a time to live beyond sense',
      answer('8180', '00010001', a('0a000001', 'c00c', 'ffffffff')),
      [named('10.0.0.1', 0)],
    ],
    ['a question', answer('0100', '00010000', ''), []],
    ['a refusal', answer('8183', '00010001', a('0a000001')), []],
    ['two questions', answer('8180', '00020001', a('0a000001')), []],
    ['a name that points at itself', Buffer.from('123481800001000100000000c00c00010001', 'hex'), []],
    ['another class', answer('8180', '00010001', 'c00c000100030000012c00040a000001'), []],
  ];
  for (const [name, message, expected] of cases) assert.deepEqual(parseDnsAnswer(message), expected, name);
});

test('names are shown to people: nothing strange gets through', () => {
  const strange = Buffer.from(`123481800001000100000000031b5b4a0000010001${a('0a000001')}`, 'hex');
  assert.deepEqual(parseDnsAnswer(strange), [{ name: '??j', address: '10.0.0.1', ttlSeconds: 300 }]);
});

test('whatever the bytes, it ends', () => {
  const start = Buffer.from('123481800001ffff00000000', 'hex');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (rest) => {
      for (const { name, address } of parseDnsAnswer(Buffer.concat([start, rest])))
        assert.ok(/^[a-z0-9_?.-]{1,255}$/.test(name) && address.length < 40);
    }),
    { numRuns: 2000 },
  );
});
