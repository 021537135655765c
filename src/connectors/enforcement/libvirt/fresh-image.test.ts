// What may be a golden image, and the overlay over it, with the real qemu-img: hostile names stay names, and nothing is overwritten.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { diskBefore, makeOverlay, overlayPath } from './fresh-overlay.ts';
import { changeOf, isPlainPath, readGoldenImage } from './golden-image.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'plumbline-golden-')));
after(() => rmSync(home, { recursive: true, force: true }));
const key = 'abcdef012345';
const disk = at('disk.img');
writeFileSync(disk, 'the disk before', { mode: 0o640 });

function at(name: string): string {
  return join(home, name);
}

function image(name: string, ...more: readonly string[]): string {
  const path = at(name);
  execFileSync('qemu-img', ['create', '-q', ...(more.length === 0 ? ['-f', 'qcow2'] : more), '--', path, '1M']);
  chmodSync(path, 0o444);
  return path;
}

const golden = image('golden.qcow2');

async function imageAt(path: string, own = disk) {
  const read = await readGoldenImage(path, own);
  assert.ok(read.ok, read.ok ? '' : read.error.message);
  return read.value;
}

function overlayed(path: string, format: 'qcow2' | 'raw' = 'qcow2'): string {
  const overlay = overlayPath(path, format, key);
  assert.ok(overlay.ok);
  return overlay.value;
}

const refusals: readonly (readonly [string, () => string, RegExp])[] = [
  ['a relative path', () => 'golden.qcow2', /no absolute path/],
  ['an option', () => '--force-share', /no absolute path/],
  ['a protocol', () => 'nbd://evil/x', /no absolute path/],
  ['a description in JSON', () => 'json:{"driver":"null-co"}', /no absolute path/],
  ['a roundabout path', () => `${home}/../${home}/golden.qcow2`, /no absolute path/],
  ['a path of two lines', () => at('a\nb'), /no absolute path/],
  ['nothing', () => at('none.qcow2'), /cannot be read/],
  ['a directory', () => home, /no regular file/],
  ['a device', () => '/dev/null', /no regular file/],
  ['a link', () => (symlinkSync(golden, at('link')), at('link')), /is a link/],
  ["the VM's own disk", () => disk, /own disk/],
  ['another name of it', () => (linkSync(disk, at('hard')), at('hard')), /own disk/],
  ['one its owner may write to', () => (chmodSync(image('mine'), 0o600), at('mine')), /may be written to/],
  ['one others may write to', () => (chmodSync(image('theirs'), 0o446), at('theirs')), /may be written to/],
  ['another format', () => image('other.vmdk', '-f', 'vmdk'), /is vmdk/],
  [
    'one that stands on what may be written to',
    () => {
      image('base');
      const path = image('above', '-f', 'qcow2', '-b', at('base'), '-F', 'qcow2');
      chmodSync(at('base'), 0o644);
      return path;
    },
    /base.*may be written to/,
  ],
  [
    'one that stands on too many',
    () => {
      let below = image('floor0');
      for (let floor = 1; floor <= 8; floor += 1)
        below = image(`floor${floor}`, '-f', 'qcow2', '-b', below, '-F', 'qcow2');
      return below;
    },
    /more than 7 others/,
  ],
];

for (const [what, path, why] of refusals)
  test(`${what} is no golden image`, async () => {
    const read = await readGoldenImage(path(), disk);
    assert.ok(!read.ok);
    assert.match(read.error.message, why);
  });

test('a golden image that was changed is told', async () => {
  const path = image('touched');
  const read = await imageAt(path);
  assert.equal(await changeOf(read, disk), null);
  chmodSync(path, 0o644);
  writeFileSync(path, readFileSync(path));
  assert.match((await changeOf(read, disk)) ?? '', /may be written to/);
  chmodSync(path, 0o444);
  assert.match((await changeOf(read, disk)) ?? '', /was changed meanwhile/);
});

test('an overlay is made once, like its disk, and what is in its place stays', async () => {
  const read = await imageAt(golden);
  const path = overlayed(disk);
  assert.ok((await makeOverlay(path, disk, read)).ok);
  const made = lstatSync(path);
  assert.equal(made.mode & 0o777, 0o640);
  assert.ok((await makeOverlay(path, disk, read)).ok);
  assert.equal(lstatSync(path).ino, made.ino);
  // A guest has written to it.
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('x')]));
  const used = await makeOverlay(path, disk, read);
  assert.ok(!used.ok);
  assert.match(used.error.message, /no empty overlay/);
  assert.equal(readFileSync(disk, 'utf8'), 'the disk before');
});

test('a link that was planted leads nowhere', async () => {
  const read = await imageAt(golden);
  const victim = at('victim');
  writeFileSync(victim, 'untouched');
  const other = at('other.img');
  writeFileSync(other, 'disk');
  symlinkSync(victim, overlayed(other));
  assert.equal((await makeOverlay(overlayed(other), other, read)).ok, false);
  rmSync(overlayed(other));
  symlinkSync(victim, `${overlayed(other)}.part`);
  assert.ok((await makeOverlay(overlayed(other), other, read)).ok);
  assert.equal(existsSync(`${overlayed(other)}.part`), false);
  assert.equal(readFileSync(victim, 'utf8'), 'untouched');
});

test('the name of an overlay tells the disk before, and a name that is too long is refused', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom('qcow2', 'raw'), (name, format) => {
      const overlay = overlayPath(`/images/${name}`, format, key);
      if (overlay.ok) assert.deepEqual(diskBefore(overlay.value), { file: `/images/${name}`, format, key });
      else assert.ok(!isPlainPath(`/images/${name}`));
    }),
  );
  const again = overlayed(overlayed('/images/web.qcow2'), 'raw');
  assert.equal(diskBefore(again)?.file, overlayed('/images/web.qcow2'));
  assert.equal(overlayPath(`/images/${'x'.repeat(230)}`, 'qcow2', key).ok, false);
  for (const other of ['/images/web.qcow2', '/images/web.plumbline-x.qcow2', `.plumbline-${key}.qcow2`])
    assert.equal(diskBefore(other), null, other);
});

test('hostile names of images and disks reach qemu-img as names', async () => {
  const nasty = fc.constantFrom(
    '-o',
    '--',
    ' ',
    "'",
    '"',
    ';touch x;',
    '$(id)',
    '`id`',
    'json:{}',
    'nbd:',
    ',',
    '\\',
    '=',
    'é',
    '*',
  );
  const name = fc.array(nasty, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));
  let turn = 0;
  await fc.assert(
    fc.asyncProperty(name, name, async (one, other) => {
      turn += 1;
      const directory = at(`hostile${turn}`);
      mkdirSync(directory);
      const [base, own] = [join(directory, `i${one}`), join(directory, other)];
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '--', base, '1M']);
      chmodSync(base, 0o444);
      writeFileSync(own, 'own');
      const path = overlayed(own);
      const made = await makeOverlay(path, own, await imageAt(base, own));
      assert.ok(made.ok, made.ok ? '' : made.error.message);
      const said = execFileSync('qemu-img', ['info', '--output=json', '--', path], { encoding: 'utf8' });
      assert.equal((JSON.parse(said) as Record<string, unknown>)['full-backing-filename'], base);
    }),
    { numRuns: 20 },
  );
});
