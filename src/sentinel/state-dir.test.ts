// A place that cannot be a sentinel's directory is said to be none, at once.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openStateDir } from './state-dir.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-sd-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a directory is made with all in it, for its owner alone', () => {
  const opened = openStateDir(join(folder, 'a', 'sentinel'));
  assert.ok(opened.ok);
  const { path, vault, stubs, evidence, profiles } = opened.value;
  for (const made of [path, vault, stubs, evidence, profiles]) assert.equal(statSync(made).mode & 0o777, 0o700, made);
});

test('one that cannot be made, or whose path is too long, is refused with a mend', () => {
  for (const path of ['/proc/plumbline', '/proc/plumbline/sentinel', join(folder, 'x'.repeat(120))]) {
    const refused = openStateDir(path);
    assert.ok(!refused.ok && refused.error.mend !== undefined, path);
    assert.ok(refused.error.message.includes(path), refused.error.message);
  }
});
