// XML in and out: what was written is read back as it was, and a hostile document ends in a sentence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { attributeOf, childOf, parseXml, textAt, xmlLimits } from './xml-element.ts';
import { xml } from './xml-text.ts';

const schemaInstance = 'http://www.w3.org/2001/XMLSchema-instance';
const writable = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u;

test('whatever text is written is read back, and nothing of it is markup', () => {
  const nasty = fc.constantFrom(']]>', '<!--', '&lt;', '"', "'", '\r\n', '<a/>', '\u{1f4a9}', '\t', '$()');
  const name = fc.array(fc.oneof(nasty, fc.string({ unit: 'grapheme' }))).map((parts) => parts.join(''));
  fc.assert(
    fc.property(name, name, (text, value) => {
      const written = xml('a', [xml('b', text, { c: value }), xml('d', 'after')]).markup;
      const read = parseXml(written);
      assert.ok(read.ok, JSON.stringify(read));
      assert.deepEqual(
        read.value.children.map((child) => child.name),
        ['b', 'd'],
      );
      const b = childOf(read.value, 'b');
      assert.ok(b !== null);
      if (writable.test(text)) assert.equal(b.text, text);
      if (writable.test(value)) assert.equal(attributeOf(b, 'c'), value);
    }),
  );
});

test('what XML cannot carry is replaced, not dropped', () => {
  const read = parseXml(xml('a', 'x\u0000y\ud800z').markup);
  assert.ok(read.ok);
  assert.equal(read.value.text, 'x\u{fffd}y\u{fffd}z');
});

test('a name that is no name is a bug, not markup', () => {
  assert.throws(() => xml('a b', ''));
  assert.throws(() => xml('a', '', { 'b=""><c': 'd' }));
});

test('prefixes mean what they are bound to, whatever they are called', () => {
  const read = parseXml(
    `<r xmlns="urn:vim25" xmlns:XMLSchema-instance="${schemaInstance}"><v XMLSchema-instance:type="VirtualE1000"/></r>`,
  );
  assert.ok(read.ok);
  const v = childOf(read.value, 'v');
  assert.ok(v !== null);
  assert.equal(v.namespace, 'urn:vim25');
  assert.equal(attributeOf(v, 'type', schemaInstance), 'VirtualE1000');
});

const bad: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /empty|cannot be read/],
  ['no XML', 'HTTP 503', /cannot be read/],
  ['cut off', '<a><b>', /cannot be read/],
  ['wrongly closed', '<a><b></a></b>', /cannot be read/],
  ['an unbound prefix', '<x:a/>', /cannot be read/],
  ['an unknown entity', '<a>&lol;</a>', /cannot be read/],
  ['a document type', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', /document type/],
  ['a document type that expands', '<!DOCTYPE a [<!ENTITY x "xx">]><a/>', /document type/],
  ['too deep', '<a>'.repeat(xmlLimits.depth + 1), /nested deeper/],
  ['too many', `<a>${'<b/>'.repeat(xmlLimits.elements)}</a>`, /more than/],
];

for (const [what, text, why] of bad) {
  test(`refused with a sentence: ${what}`, () => {
    const read = parseXml(text);
    assert.ok(!read.ok);
    assert.match(read.error.message, why);
  });
}

test('no text makes reading throw', () => {
  const piece = fc.constantFrom(
    '<a',
    '>',
    '</a>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '&#0;',
    '&',
    ' x="',
    'xmlns:',
    '<?',
    '?>',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string())), (pieces) => {
      const read = parseXml(pieces.join(''));
      assert.ok(read.ok ? textAt(read.value) !== null : read.error.message.length > 0);
    }),
  );
});
