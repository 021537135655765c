// Directories are made as far as they are missing, and a place where none can be made is an error at once.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeDirectories } from './make-directories.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-make-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('what is missing is made and private, what is there stays as it is', () => {
  const there = join(folder, 'there');
  mkdirSync(there, { mode: 0o755 });
  makeDirectories(join(there, 'a', 'b'));
  makeDirectories(join(there, 'a', 'b'));
  const modes = [there, join(there, 'a'), join(there, 'a', 'b')].map((path) => statSync(path).mode & 0o777);
  assert.deepEqual(modes, [0o755, 0o700, 0o700]);
});

test('where no directory can be made it says so and does not try for ever', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'below'), '/proc/plumbline', '/proc/plumbline/sentinel/stubs'])
    assert.throws(() => makeDirectories(path), { code: /^E[A-Z]+$/ }, path);
});
