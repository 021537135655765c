// Headers against tar itself, and against every change of a byte.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { readTarHeader, tarBlockBytes, tarEndBytes, tarHeader, tarPadding, type TarMember } from './ustar.ts';

const members = fc.record<TarMember>({
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,30})?$/),
  sizeBytes: fc.oneof(fc.integer({ min: 0, max: 2 ** 30 }), fc.maxSafeInteger().map(Math.abs)),
  mtimeSeconds: fc.integer({ min: 0, max: 2 ** 31 }),
});

test('tar lists and unpacks what was written', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-tar-'));
  try {
    const files = { 'documents/alarm.json': '{}', 'items/a.pcap': 'x'.repeat(1000) };
    const archive = Object.entries(files).flatMap(([name, text]) => [
      tarHeader({ name, sizeBytes: text.length, mtimeSeconds: 1_700_000_000 }),
      Buffer.from(text),
      Buffer.alloc(tarPadding(text.length)),
    ]);
    const file = join(directory, 'bundle.tar');
    writeFileSync(file, Buffer.concat([...archive, Buffer.alloc(tarEndBytes)]));
    const listed = spawnSync('tar', ['-tvf', file], { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } });
    assert.equal(listed.status, 0, listed.stderr);
    assert.match(
      listed.stdout,
      /-rw------- 0\/0 +2 2023-11-14 22:13 documents\/alarm.json\n.* 1000 .* items\/a.pcap\n$/,
    );
    const unpacked = spawnSync('tar', ['-xOf', file, 'items/a.pcap'], { encoding: 'utf8' });
    assert.equal(unpacked.stdout, files['items/a.pcap']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('tar understands a member of more than 8 GiB', () => {
  const header = tarHeader({ name: 'items/dump.memory', sizeBytes: 10 * 2 ** 30, mtimeSeconds: 0 });
  const { stdout } = spawnSync('tar', ['-tvf', '-'], { input: header, encoding: 'utf8' });
  assert.match(stdout, /10737418240 .* items\/dump.memory/);
});

test('a header reads as what it was written from', () => {
  fc.assert(fc.property(members, (member) => assert.deepEqual(readTarHeader(tarHeader(member)), { ...member })));
});

test('no header survives the change of a byte', () => {
  const place = fc.integer({ min: 0, max: tarBlockBytes - 1 });
  fc.assert(
    fc.property(members, place, fc.integer({ min: 1, max: 255 }), (member, at, flip) => {
      const header = tarHeader(member);
      header[at] = (header[at] ?? 0) ^ flip;
      const read = readTarHeader(header);
      assert.ok(read === null, JSON.stringify(read));
    }),
    { numRuns: 500 },
  );
});

test('names that lead elsewhere, and sizes that are none, have no header', () => {
  for (const name of [
    '',
    '/etc/passwd',
    '../up',
    'a/../b',
    'a//b',
    'a/',
    '.hidden',
    'a\0b',
    'a\nb',
    'ä',
    'x'.repeat(100),
  ])
    assert.throws(() => tarHeader({ name, sizeBytes: 0, mtimeSeconds: 0 }), RangeError, JSON.stringify(name));
  for (const sizeBytes of [-1, 0.5, Number.NaN, 2 ** 60])
    assert.throws(() => tarHeader({ name: 'a', sizeBytes, mtimeSeconds: 0 }), RangeError);
});
