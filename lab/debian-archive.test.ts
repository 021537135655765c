// The one piece of Debian's formats that the lab reads itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStanza } from './debian-archive.ts';

test('the first stanza is read, with continued fields joined', () => {
  const stanza = readStanza('Package: a\nVersion: 1:2.0-1\nDescription: short\n more\n .\n words\n\nPackage: b\n');
  assert.equal(stanza.get('Package'), 'a');
  assert.equal(stanza.get('Version'), '1:2.0-1');
  assert.equal(stanza.get('Description'), 'short\nmore\n.\nwords');
  assert.equal(stanza.size, 3);
});

test('no text is no stanza', () => {
  assert.equal(readStanza('').size, 0);
  assert.equal(readStanza('\n\n').size, 0);
});
