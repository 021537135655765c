// The files of an external snapshot: names that cannot be taken for another's, memory that is whole, and a disk that was not written to.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { diskBefore, makeOverlay } from './fresh-overlay.ts';
import { backPath, baseObjection, memoryPath, readMemoryFile, roomObjection, sincePath } from './snapshot-files.ts';

const home = mkdtempSync(join(tmpdir(), 'plumbline-snapshot-'));
after(() => rmSync(home, { recursive: true, force: true }));
const uuid = '00000000-0000-4000-8000-00000000000a';
const snapshot = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const key = fc.stringMatching(/^[0-9a-z]{12,64}$/);

test('no overlay of a snapshot is taken for a fresh disk over a golden image, whatever it is called', () => {
  const likely = fc.constantFrom(
    'plumbline-abcdef012345',
    'plumbline-abcdef012345-raw',
    'plumbline-abcdef012345.qcow2',
  );
  fc.assert(
    fc.property(fc.oneof(snapshot, likely), key, (name, step) => {
      for (const path of [sincePath('/i/web.img', name), backPath('/i/web.img', name, step)]) {
        assert.ok(path.ok);
        assert.equal(diskBefore(path.value), null);
        assert.ok(path.value.startsWith(`/i/web.img.${name}.`));
      }
    }),
  );
});

const odd = ['', '..', '../x', 'a/b', 'a b', '-o', `a${'b'.repeat(64)}`, 'a\n'];
test('a name that could lead elsewhere names no file', () => {
  for (const name of odd) {
    assert.equal(sincePath('/i/web.img', name).ok, false, name);
    assert.equal(backPath('/i/web.img', name, 'abcdef012345').ok, false, name);
    assert.equal(memoryPath('/e', uuid, name).ok, false, name);
  }
  for (const step of ['', 'step1', '../../../../../']) assert.equal(backPath('/i/web.img', 'a', step).ok, false, step);
  for (const id of ['', '..', uuid.toUpperCase(), `${uuid}/x`]) assert.equal(memoryPath('/e', id, 'a').ok, false, id);
  assert.equal(sincePath(`/i/${'x'.repeat(240)}`, 'a').ok, false);
  assert.deepEqual(memoryPath('/e', uuid, 'a'), { ok: true, value: `/e/${uuid}.a.save` });
});

test('memory is whole when libvirt has written its mark', async () => {
  const path = join(home, 'memory.save');
  for (const [bytes, isWhole] of [
    ['LibvirtQemudSave and more', true],
    ['LibvirtQemudPart and more', false],
    ['LibvirtQemud', false],
    ['', false],
  ] as const) {
    writeFileSync(path, bytes);
    assert.equal((await readMemoryFile(path)).ok, isWhole, bytes);
  }
  const link = join(home, 'link.save');
  writeFileSync(path, 'LibvirtQemudSave');
  symlinkSync(path, link);
  for (const other of [link, home, join(home, 'none')]) assert.equal((await readMemoryFile(other)).ok, false, other);
});

test('a disk that was written to after the memory is told', async () => {
  const base = join(home, 'base.img');
  writeFileSync(base, 'disk');
  const writtenMs = Date.now();
  const memory = { sizeBytes: 1, writtenMs };
  assert.equal(await baseObjection(base, memory), null);
  utimesSync(base, new Date(writtenMs), new Date(writtenMs + 60_000));
  assert.match((await baseObjection(base, memory))?.message ?? '', /was written to after the snapshot/);
  assert.match((await baseObjection(home, memory))?.message ?? '', /no regular file/);
  assert.match((await baseObjection(join(home, 'none'), memory))?.message ?? '', /cannot be read/);
});

test('an overlay needs room, and never more than the guest can write', async () => {
  const base = join(home, 'room.img');
  assert.equal(await roomObjection(base, 1), null);
  assert.match((await roomObjection('/proc/none', 1))?.message ?? '', /bytes are free, less than 1|cannot be had/);
});

test('an overlay over a disk that is in use is as large as its guest sees it, and the disk is not opened', async () => {
  const base = join(home, "in use 'x&y'.img");
  // What a guest wrote there looks like an image over any file of the host.
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', '-u', '--', base, '9M']);
  const bytes = readFileSync(base);
  const path = join(home, `${basename(base)}.since.qcow2`);
  const over = { path: base, format: 'raw', virtualBytes: 5 * 1024 * 1024 } as const;
  const made = await makeOverlay(path, base, over);
  assert.ok(made.ok, made.ok ? '' : made.error.message);
  assert.ok((await makeOverlay(path, base, over)).ok);
  const said = execFileSync('qemu-img', ['info', '-U', '--output=json', '--', path], { encoding: 'utf8' });
  const info = JSON.parse(said) as Record<string, unknown>;
  assert.deepEqual(
    [info['full-backing-filename'], info['backing-filename-format'], info['virtual-size']],
    [base, 'raw', 5 * 1024 * 1024],
  );
  assert.deepEqual(readFileSync(base), bytes);
});
