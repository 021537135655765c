// DSSE: the specification's own encoding, every way a seal may be broken, and trust lists that lie.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { openEnvelope, preAuthEncoding, sealEnvelope, type Envelope } from './envelope.ts';
import { makePrivateKey, readPrivateKey, readTrustList, trustListOf } from './keys.ts';

const type = 'application/vnd.example+json';
const body = Buffer.from('{"a":1}');

function keyPair() {
  const key = readPrivateKey(makePrivateKey());
  assert.ok(key.ok);
  const trusted = readTrustList(JSON.parse(JSON.stringify(trustListOf(key.value))));
  assert.ok(trusted.ok);
  return { key: key.value, trusted: trusted.value };
}

const ours = keyPair();
const sealed = sealEnvelope(type, body, ours.key);
const signature = sealed.signatures[0] ?? { keyid: '', sig: '' };

test('the pre-authentication encoding is the one of the specification', () => {
  const encoded = preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
  assert.equal(encoded.toString(), 'DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  assert.equal(preAuthEncoding('é', Buffer.from('')).toString('latin1'), 'DSSEv1 2 Ã© 0 ');
});

test('any body comes back as it was sealed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string({ maxLength: 40 }), (bytes, payloadType) => {
      const opened = openEnvelope(sealEnvelope(payloadType, bytes, ours.key), ours.trusted);
      assert.ok(opened.ok);
      assert.deepEqual(Buffer.from(opened.value.body), Buffer.from(bytes));
      assert.equal(opened.value.payloadType, payloadType);
      assert.equal(opened.value.keyid, ours.key.keyid);
    }),
  );
});

const theirs = keyPair();
const broken: readonly [string, Envelope, 'refused' | 'unreadable'][] = [
  ['another body', { ...sealed, payload: Buffer.from('{"a":2}').toString('base64') }, 'refused'],
  ['another type', { ...sealed, payloadType: `${type}x` }, 'refused'],
  [
    'a signature of another key under our id',
    {
      ...sealed,
      signatures: [{ keyid: ours.key.keyid, sig: sealEnvelope(type, body, theirs.key).signatures[0]?.sig ?? '' }],
    },
    'refused',
  ],
  ['an unknown key', sealEnvelope(type, body, theirs.key), 'refused'],
  ['no signature', { ...sealed, signatures: [] }, 'refused'],
  ['a signature that is not base64', { ...sealed, signatures: [{ ...signature, sig: '!!' }] }, 'refused'],
  ['a payload that is not base64', { ...sealed, payload: 'a b' }, 'unreadable'],
];
for (const [what, envelope, kind] of broken)
  test(`refuses ${what}`, () => {
    const opened = openEnvelope(envelope, ours.trusted);
    assert.ok(!opened.ok);
    assert.equal(opened.error.kind, kind);
  });

test('one good signature among strangers suffices', () => {
  const signatures = [...sealEnvelope(type, body, theirs.key).signatures, ...sealed.signatures];
  assert.ok(openEnvelope({ ...sealed, signatures }, ours.trusted).ok);
});

test('a trust list may not give a key another id, nor hold something else than Ed25519', () => {
  const list = trustListOf(ours.key);
  const [entry] = list.keys;
  for (const keys of [[], [{ ...entry, keyid: theirs.key.keyid }], [{ ...entry, publicKey: 'AAAA' }], [null], 'x'])
    assert.ok(!readTrustList({ keys }).ok, JSON.stringify(keys));
  assert.ok(!readTrustList(null).ok);
  assert.ok(!readPrivateKey('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----').ok);
});
