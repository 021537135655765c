// A cache that can hold half a kernel, or two builders at once, would break guests in ways nobody finds.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { problem } from '../src/kit/problem.ts';
import { fail, ok } from '../src/kit/result.ts';
import { cached, fingerprint, locked } from './cache.ts';

describe('the cache', () => {
  let root = '';
  before(async () => void (root = await mkdtemp(join(tmpdir(), 'lab-cache-test-'))));
  after(async () => rm(root, { recursive: true }));

  test('what is asked for by two at once is made once', async () => {
    let made = 0;
    const make = async (directory: string) => {
      made += 1;
      await wait(50);
      await writeFile(join(directory, 'file'), 'x');
      return ok(undefined);
    };
    const places = await Promise.all([cached('twice/one', make, root), cached('twice/one', make, root)]);
    assert.equal(made, 1);
    assert.deepEqual(places, [ok(join(root, 'twice/one')), ok(join(root, 'twice/one'))]);
  });

  test('a build that fails, or throws, leaves nothing behind and is tried again', async () => {
    const refusal = fail(problem('failed', 'no'));
    assert.deepEqual(await cached('broken/one', async () => refusal, root), refusal);
    await assert.rejects(
      cached('broken/one', async () => Promise.reject(new Error('bug')), root),
      /bug/,
    );
    assert.deepEqual(await readdir(join(root, 'broken')), []);
    assert.ok((await cached('broken/one', async () => ok(undefined), root)).ok);
  });

  test('what a killed builder left is removed by the next one', async () => {
    await mkdir(join(root, 'left/over.part-dead'), { recursive: true });
    await mkdir(join(root, 'left/overtime.part-dead'), { recursive: true });
    await cached('left/over', async () => ok(undefined), root);
    assert.deepEqual((await readdir(join(root, 'left'))).sort(), ['over', 'overtime.part-dead']);
  });

  test('a lock is free again after its work threw', async () => {
    await assert.rejects(locked(`${root}/lock`, async () => Promise.reject(new Error('bug'))));
    assert.deepEqual(await locked(`${root}/lock`, async () => ok(existsSync(root))), ok(true));
  });

  test('a fingerprint depends on content and on where one part ends', () => {
    assert.notEqual(fingerprint('ab', 'c'), fingerprint('a', 'bc'));
    assert.equal(fingerprint('ab', Buffer.from('c')), fingerprint('ab', 'c'));
  });
});
