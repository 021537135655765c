// External snapshots as libvirt is told of them: what is read is what was written, and no name of a file becomes markup.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { attributeOf, childOf, childrenOf, parseXml, textAt } from '../xml/xml-element.ts';
import { externalSnapshotXml, readSnapshot } from './domain-snapshots.ts';

const nasty = fc.constantFrom(
  "'/><x a='",
  '"',
  '&amp;',
  '<!--',
  ']]>',
  '../',
  '$(x)',
  '\u{1f4a9}',
  ' -o ',
  '</memory>',
);
const name = fc.array(fc.oneof(nasty, fc.string({ unit: 'grapheme' })), { maxLength: 6 }).map((all) => all.join(''));
const writable = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u;

test('what libvirt is told names every file as it is called', () => {
  fc.assert(
    fc.property(name, name, name, (snapshot, memory, overlay) => {
      fc.pre([snapshot, memory, overlay].every((one) => writable.test(one)));
      const text = externalSnapshotXml({
        name: snapshot,
        memory: `/${memory}`,
        disks: [
          { target: 'vda', overlay: `/${overlay}` },
          { target: 'hdc', overlay: null },
        ],
      });
      const read = parseXml(text);
      assert.ok(read.ok, text);
      assert.equal(textAt(read.value, 'name'), snapshot);
      const kept = childOf(read.value, 'memory') ?? assert.fail();
      assert.deepEqual([attributeOf(kept, 'snapshot'), attributeOf(kept, 'file')], ['external', `/${memory}`]);
      const [disk, other, ...more] = childrenOf(childOf(read.value, 'disks'), 'disk');
      assert.ok(disk && other && more.length === 0);
      const source = childOf(disk, 'source') ?? assert.fail();
      assert.equal(attributeOf(source, 'file'), `/${overlay}`);
      assert.deepEqual([attributeOf(other, 'name'), attributeOf(other, 'snapshot')], ['hdc', 'no']);
    }),
  );
});

const told = `<domainsnapshot><name>plumbline-1</name><state>running</state>
  <memory snapshot='external' file='/e/a&amp;b.save'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/><source file='/i/web.img.since'/></disk>
    <disk name='vdb' snapshot='no'/>
  </disks>
  <domain type='kvm'><devices>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/i/web.img'/><target dev='vda'/></disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='hdc'/><readonly/></disk>
  </devices></domain></domainsnapshot>`;

test('what libvirt says of one is its memory, its overlays and the disks before', () => {
  const read = readSnapshot(told);
  assert.ok(read.ok, JSON.stringify(read));
  const { memory, overlays, before, definition } = read.value;
  assert.ok(definition.startsWith("<domain type='kvm'>") && definition.endsWith('</domain>'), definition);
  assert.deepEqual(
    [read.value.name, memory, [...overlays]],
    ['plumbline-1', '/e/a&b.save', [['vda', '/i/web.img.since']]],
  );
  assert.deepEqual(
    before.map(({ target, file, format }) => [target, file, format]),
    [
      ['vda', '/i/web.img', 'raw'],
      ['hdc', '', 'raw'],
    ],
  );
});

test('one within the disks has no memory of its own, and no overlays', () => {
  const internal = told
    .replace("snapshot='external' file='/e/a&amp;b.save'", "snapshot='internal'")
    .replace("name='vda' snapshot='external'", "name='vda' snapshot='internal'");
  const read = readSnapshot(internal);
  assert.ok(read.ok);
  assert.deepEqual([read.value.memory, read.value.overlays.size], [null, 0]);
});

test('what is no snapshot of a domain is refused', () => {
  const bad = [
    '',
    '<domainsnapshot/>',
    told.replace('<name>plumbline-1</name>', ''),
    told.replace(/<domain .*<\/domain>/s, ''),
  ];
  for (const text of [...bad, `<!DOCTYPE x>${told}`, told.replaceAll('domainsnapshot', 'domaincheckpoint')])
    assert.equal(readSnapshot(text).ok, false, text);
});
