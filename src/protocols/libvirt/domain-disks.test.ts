// The disks of a domain's definition: which can be another file, and that no file's name becomes markup.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { attributeOf, childOf, parseXml } from '../xml/xml-element.ts';
import { xml } from '../xml/xml-text.ts';
import { readDomainDisks } from './domain-disks.ts';

const whole = `<disk type='file' device='disk'>
  <driver name='qemu' type='raw' cache='none' discard='unmap'/>
  <source file='/images/web.img'/>
  <target dev='vda' bus='virtio'/>
  <serial>a&amp;b</serial><boot order='1'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x04' function='0x0'/>
</disk>`;

function domain(...disks: readonly string[]): string {
  return `<domain type='kvm'><name>web</name><devices>${disks.join('')}</devices></domain>`;
}

function only(disk: string) {
  const read = readDomainDisks(domain(disk));
  assert.ok(read.ok, JSON.stringify(read));
  assert.equal(read.value.length, 1);
  return read.value[0] ?? assert.fail();
}

test('another file and its format are all that changes', () => {
  const disk = only(whole);
  assert.deepEqual(
    [disk.target, disk.writable, disk.file, disk.format, disk.obstacle],
    ['vda', true, '/images/web.img', 'raw', null],
  );
  const expected = whole.replace('/images/web.img', '/images/new').replace("type='raw'", "type='qcow2'");
  const compact = (text: string) => text.replaceAll(/>\s+</g, '><').replaceAll("'", '"').replaceAll('/>', '>');
  const closed = disk.withFile('/images/new', 'qcow2').replaceAll(/<\/(driver|source|target|boot|address)>/g, '');
  assert.equal(compact(closed), compact(expected));
  const back = only(disk.withFile('/images/new', 'qcow2')).withFile('/images/web.img', 'raw');
  assert.equal(back, disk.withFile('/images/web.img', 'raw'));
});

const obstacles: readonly (readonly [string, string, RegExp])[] = [
  ['a block device', whole.replace("type='file'", "type='block'").replace('file=', 'dev='), /is no file/],
  ['a volume', whole.replace("type='file'", "type='volume'"), /is no file/],
  ['a floppy', whole.replace("device='disk'", "device='floppy'"), /is a floppy/],
  ['a pass-through device', whole.replace("device='disk'", "device='lun'"), /is a lun/],
  ['another format', whole.replace("type='raw'", "type='vmdk'"), /format is vmdk/],
  ['no format', whole.replace(" type='raw'", ''), /format is not said/],
  ['another driver', whole.replace("name='qemu'", "name='tap'"), /driver is not QEMU/],
  ['a disk that is shared', whole.replace('<boot', '<shareable/><boot'), /<shareable>/],
  ['one that is thrown away', whole.replace('<boot', '<transient/><boot'), /<transient>/],
  ['one whose backing files are named', whole.replace('<boot', '<backingStore/><boot'), /<backingStore>/],
  [
    'an encrypted one',
    whole.replace("web.img'/>", "web.img'><encryption format='luks'/></source>"),
    /more of its file than where/,
  ],
  ['names of another language', whole.replace('<boot', '<x:y xmlns:x="urn:x"/><boot'), /cannot be written back/],
];

test('one whose backing files are named can be left for good', () => {
  const named = whole.replace('<boot', '<backingStore/><boot');
  assert.equal(only(named).obstacleForGood, null);
  assert.equal(only(named).withFile('/images/new', 'raw'), only(whole).withFile('/images/new', 'raw'));
});

for (const [what, disk, why] of obstacles)
  test(`${what} stays where it is`, () => assert.match(only(disk).obstacle ?? '', why));

test('a disk that the guest cannot write to is told apart', () => {
  assert.equal(only(whole.replace('<boot', '<readonly/><boot')).writable, false);
  assert.equal(only(whole.replace("device='disk'", "device='cdrom'")).writable, false);
});

test('what is no domain is refused', () => {
  for (const text of ['', '<network/>', '<domain>', '<!DOCTYPE domain><domain/>'])
    assert.equal(readDomainDisks(text).ok, false, text);
});

test('a hostile name of a file stays a name', () => {
  const nasty = fc.constantFrom("'/><x a='", '"', '&amp;', '<!--', ']]>', '../', '$(x)', '\n', '\u{1f4a9}', ' -o ');
  const name = fc.array(fc.oneof(nasty, fc.string({ unit: 'grapheme' })), { maxLength: 6 }).map((all) => all.join(''));
  const writable = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u;
  fc.assert(
    fc.property(name, name, (before, after) => {
      fc.pre(writable.test(before) && writable.test(after));
      const source = xml('source', '', { file: `/${before}` }).markup;
      const disk = only(whole.replace("<source file='/images/web.img'/>", () => source));
      assert.equal(disk.file, `/${before}`);
      const read = parseXml(disk.withFile(`/${after}`, 'qcow2'));
      assert.ok(read.ok);
      assert.equal(read.value.children.length, 6);
      const written = childOf(read.value, 'source');
      assert.equal(written && attributeOf(written, 'file'), `/${after}`);
    }),
  );
});
