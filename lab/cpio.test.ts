// The archive must be one that cpio itself, and so the kernel, reads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { packCpio } from './cpio.ts';

test('a packed archive lists with its names, sizes and modes', () => {
  const archive = packCpio([
    { kind: 'directory', path: 'bin' },
    { kind: 'file', path: 'bin/tool', content: 'seven b', mode: 0o755 },
    { kind: 'link', path: 'sh', target: '/bin/tool' },
    { kind: 'device', path: 'console', mode: 0o600, major: 5, minor: 1 },
  ]);
  assert.match(archive.toString('latin1'), /0000000500000001[0-9a-f]{8}00000000console/, 'device 5:1');
  const listed = spawnSync('busybox', ['cpio', '-tv'], { input: archive, encoding: 'utf8' });
  assert.equal(listed.status, 0, listed.stderr);
  const lines = listed.stdout.trim().split('\n');
  assert.equal(lines.length, 4);
  assert.match(lines[0] ?? '', /^drwxr-xr-x.*bin$/);
  assert.match(lines[1] ?? '', /^-rwxr-xr-x.* 7 .*bin\/tool$/);
  assert.match(lines[2] ?? '', /^lrwxrwxrwx.*sh -> \/bin\/tool$/);
  assert.match(lines[3] ?? '', /^crw-------.*console$/);
});

test('the same entries give the same bytes', () => {
  const entries = [{ kind: 'file', path: 'a', content: 'x' }] as const;
  assert.deepEqual(packCpio(entries), packCpio(entries));
});

test('every member starts at a multiple of four', () => {
  for (const length of [0, 1, 2, 3, 4, 5]) {
    assert.equal(packCpio([{ kind: 'file', path: 'n', content: 'x'.repeat(length) }]).length % 4, 0);
  }
});
