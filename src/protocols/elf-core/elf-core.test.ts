// A core file is believed only as far as it can be read: any cut, any other byte in it, and any other file is a problem or an honest
// number, never a crash.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, integer, property, uint8Array } from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import { coreOf } from '../../sim/elf-core-file.ts';
import { parseElfCore, readElfCore } from './elf-core.ts';

const runs = { numRuns: counted(500, 20_000), seed: seed() };

function parse(bytes: Buffer) {
  return parseElfCore(bytes.length, (offset, size) => bytes.subarray(offset, offset + size));
}

for (const bits of [32, 64] as const)
  test(`says of an ELF${bits} core how many processors and how much memory it holds`, () => {
    const core = coreOf({ bits, processors: 3, segments: [4096, 65_536] });
    const read = parse(core);
    assert.deepEqual(read.ok && read.value, { bits, processors: 3, memoryBytes: 69_632, fileBytes: core.length });
  });

test('refuses a core that is cut anywhere, and anything else', () => {
  const core = coreOf({ bits: 64, processors: 1, segments: [4096] });
  holds(
    property(integer({ min: 0, max: core.length - 1 }), (length) => {
      assert.equal(parse(core.subarray(0, length)).ok, false);
    }),
    runs,
  );
  const program = Buffer.from(core);
  program.writeUInt16LE(2, 16);
  assert.match(sayWhy(parse(program)), /no core file/);
  assert.match(
    sayWhy(parse(Buffer.from('plain text, long enough to be looked at as if it had a head, and more'))),
    /begin/,
  );
  const bigEndian = Buffer.from(core);
  bigEndian[5] = 2;
  assert.match(sayWhy(parse(bigEndian)), /little-endian/);
  assert.match(sayWhy(readElfCore('/nowhere/x.elf')), /cannot be read: ENOENT/);
});

test('survives whatever a file holds', () => {
  const core = coreOf({ bits: 64, processors: 2, segments: [512] });
  holds(
    property(integer({ min: 0, max: 256 }), uint8Array({ maxLength: 64 }), (at, bytes) => {
      const odd = Buffer.from(core);
      odd.set(bytes, at);
      const read = parse(odd);
      if (read.ok) assert.ok(read.value.memoryBytes <= odd.length * 4 && read.value.processors <= odd.length);
    }),
    runs,
  );
});

function sayWhy(read: ReturnType<typeof parse>): string {
  return read.ok ? 'it was read' : read.error.message;
}
