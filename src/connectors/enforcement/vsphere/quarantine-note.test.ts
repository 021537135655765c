// The note of a quarantine: what was written is read again, and what others wrote in its place is no note.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseXml } from '../../../protocols/xml/xml-element.ts';
import { xml } from '../../../protocols/xml/xml-text.ts';
import { backingText, type CardBacking, readBacking } from './card-backing.ts';
import { noteFor, noteOption, type QuarantineNote, readNote } from './quarantine-note.ts';

// What XML carries: any text but control characters, which no name on a vCenter has.
const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((said) => !/\p{C}/u.test(said));
const backing: fc.Arbitrary<CardBacking> = fc.oneof(
  fc.record({ kind: fc.constant('standard' as const), name: text }),
  fc.record({ kind: fc.constant('distributed' as const), switchUuid: text, portgroupKey: text }),
  fc.record({ kind: fc.constant('opaque' as const), id: text, type: text }),
);
const note: fc.Arbitrary<QuarantineNote> = fc.record({
  id: text,
  vm: text,
  digest: text,
  before: fc.record({ connected: fc.boolean(), startConnected: fc.boolean(), allowGuestControl: fc.boolean() }),
  move: fc.option(fc.record({ from: backing, to: backing })),
});
/** What fast-check makes has no prototype. */
const plain = <T>(made: T): T => JSON.parse(JSON.stringify(made)) as T;
const port = { interface: '4000', mac: '52:54:00:00:00:01', addresses: [], claimed: [], bridge: null, vm: 'x' };

test('any note is read as it was written, and none when it was taken away', () => {
  fc.assert(
    fc.property(note, (written) => {
      const read = (kept: QuarantineNote | null) => {
        const options = parseXml(
          xml('r', [noteOption(port, written), noteOption(port, kept)], {
            'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
            'xmlns:xsd': 'http://www.w3.org/2001/XMLSchema',
          }).markup,
        );
        assert.ok(options.ok);
        return noteFor(port, options.value);
      };
      assert.deepEqual(read(written), plain(written));
      assert.equal(read(null), null);
    }),
  );
});

test('any network is read from a card as it was written into it', () => {
  fc.assert(
    fc.property(backing, (written) => {
      const device = parseXml(
        xml('device', [backingText(written)], { 'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance' }).markup,
      );
      assert.ok(device.ok);
      assert.deepEqual(readBacking(device.value), plain(written));
    }),
  );
});

const good = { id: 'r-1', vm: 'v', digest: 'd', before: { connected: true } };
const standard = { kind: 'standard', name: 'VM Network' };
const bad: readonly (readonly [string, unknown])[] = [
  ['no object', [good]],
  ['no id', { ...good, id: 7 }],
  ['nothing of before', { ...good, before: null }],
  ['moved from nowhere', { ...good, move: { to: standard } }],
  ['moved to a network of no kind', { ...good, move: { from: standard, to: { kind: 'bridge', name: 'br0' } } }],
  ['moved to a network without a name', { ...good, move: { from: standard, to: { ...standard, name: '' } } }],
  ['moved by a word', { ...good, move: 'yes' }],
];

for (const [what, said] of bad) {
  test(`no note: ${what}`, () => {
    assert.equal(readNote(JSON.stringify(said)), null);
  });
}

test('a note from before there were isolation networks says that the link was taken down', () => {
  const expected = { connected: true, startConnected: false, allowGuestControl: false };
  assert.deepEqual(readNote(JSON.stringify(good)), { ...good, before: expected, move: null });
});

test('whatever stands there, it is read or it is none', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (said) => void readNote(said)));
});
