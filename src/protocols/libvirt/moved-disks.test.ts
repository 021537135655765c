// Disks of a definition in other files: those that are named move, and every other letter stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { readDomainDisks } from './domain-disks.ts';
import { type DiskFile, withDiskFiles } from './moved-disks.ts';

const disk = (file: string, target: string, more = ''): string =>
  `<disk type="file" device="disk"><driver name="qemu" type="raw"></driver><source file="${file}"></source><target dev="${target}"></target>${more}</disk>`;
const around = (disks: string): string => `<?xml version="1.0"?><!-- <disk> --><domain type='kvm' xmlns:q='urn:q'>
  <name>web &amp; co</name><metadata><q:disk><source file='/i/a'/></q:disk></metadata>
  <devices>${disks}<interface type='user'/></devices><q:commandline><q:arg value='-x'/></q:commandline></domain>`;
const two = around(`${disk('/i/a', 'vda')}\n  ${disk('/i/b', 'vdb')}`);

function moved(text: string, ...files: readonly (readonly [string, DiskFile])[]) {
  return withDiskFiles(text, new Map(files));
}

test('only what is named moves', () => {
  const result = moved(two, ['vdb', { file: '/i/new', format: 'raw' }]);
  assert.deepEqual(result, { ok: true, value: two.replace('/i/b', '/i/new') });
  const both = moved(two, ['vda', { file: '/i/1', format: 'raw' }], ['vdb', { file: '/i/2', format: 'raw' }]);
  assert.deepEqual(both, { ok: true, value: two.replace('"/i/a"', '"/i/1"').replace('/i/b', '/i/2') });
  assert.deepEqual(moved(two), { ok: true, value: two });
});

test('what was said of the backing files of another is not said of the new one', () => {
  const chained = around(disk('/i/a', 'vda', '<backingStore type="file"><source file="/i/b"/></backingStore>'));
  const result = moved(chained, ['vda', { file: '/i/new', format: 'raw' }]);
  assert.deepEqual(result, { ok: true, value: around(disk('/i/new', 'vda')) });
});

const other: DiskFile = { file: '/i/new', format: 'qcow2' };
const refusals: readonly (readonly [string, string])[] = [
  ['no such disk', around(disk('/i/a', 'vdz'))],
  ['the same twice', around(disk('/i/a', 'vda') + disk('/i/b', 'vda'))],
  ['one that is shared', around(disk('/i/a', 'vda', '<shareable/>'))],
  ['one with a prefix that is bound outside', around(disk('/i/a', 'vda', '<q:x/>'))],
  ['no XML', 'nothing'],
  ['a document type', `<!DOCTYPE domain>${two}`],
];
for (const [what, text] of refusals)
  test(`${what} is refused`, () => assert.equal(moved(text, ['vda', other]).ok, false));

test('whatever files are called, each disk is where it was put, and what is around stays', () => {
  const nasty = fc.constantFrom("'/><x a='", '"', '&amp;', '<!--', ']]>', '</disk>', '$(x)', '\u{1f4a9}', '<disk>');
  const name = fc.array(fc.oneof(nasty, fc.string({ unit: 'grapheme' })), { maxLength: 6 }).map((all) => all.join(''));
  const writable = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u;
  fc.assert(
    fc.property(name, name, (one, title) => {
      fc.pre(writable.test(one));
      const comment = title.replaceAll(/-|[^\u{20}-\u{d7ff}]/gu, '');
      const text = two.replace('</name>', () => `</name><!-- ${comment} -->`);
      const result = moved(text, ['vda', { file: `/${one}`, format: 'qcow2' }]);
      assert.ok(result.ok, result.ok ? '' : result.error.message);
      const read = readDomainDisks(result.value);
      assert.ok(read.ok);
      assert.deepEqual(
        read.value.map(({ target, file, format }) => [target, file, format]),
        [
          ['vda', `/${one}`, 'qcow2'],
          ['vdb', '/i/b', 'raw'],
        ],
      );
      const [before, behind] = [text.indexOf('<disk type'), text.indexOf('</disk>', text.indexOf('<disk type')) + 7];
      assert.ok(result.value.startsWith(text.slice(0, before)) && result.value.endsWith(text.slice(behind)));
    }),
  );
});
