// DSSE, the Dead Simple Signing Envelope (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md), with Ed25519.
// Bytes in, bytes out: what the payload means, and whether it is canonical, is the caller's business.
import { sign, verify, type KeyObject } from 'node:crypto';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { TrustedKeys } from './keys.ts';

export interface Envelope {
  readonly payloadType: string;
  /** base64 */
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

export interface SigningKey {
  readonly keyid: string;
  readonly privateKey: KeyObject;
}

export interface Opened {
  readonly payloadType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The trusted key whose signature held. */
  readonly keyid: string;
}

/** More signatures than this on one envelope are not looked at. */
const signaturesMax = 16;

/** PAE: binds type and body, with their lengths, into the bytes that are signed. */
export function preAuthEncoding(payloadType: string, body: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${body.length} `),
    Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  ]);
}

export function sealEnvelope(payloadType: string, body: Uint8Array, key: SigningKey) {
  const sig = sign(null, preAuthEncoding(payloadType, body), key.privateKey).toString('base64');
  return {
    payloadType,
    payload: Buffer.from(body).toString('base64'),
    signatures: [{ keyid: key.keyid, sig }],
  } satisfies Envelope;
}

/**
 * The body, once one signature by a trusted key holds. The keyid only picks the key to try: it is not authenticated, and
 * neither is `payloadType` until this returns, so compare the returned one.
 */
export function openEnvelope(envelope: Envelope, trusted: TrustedKeys): Result<Opened> {
  const body = decodeBase64(envelope.payload);
  if (body === null) return fail(problem('unreadable', 'The payload of a signed envelope is not base64.'));
  const signed = preAuthEncoding(envelope.payloadType, body);
  for (const { keyid, sig } of envelope.signatures.slice(0, signaturesMax)) {
    const key = trusted.get(keyid);
    const signature = decodeBase64(sig);
    if (key === undefined || signature === null) continue;
    if (verify(null, signed, key, signature)) return ok({ payloadType: envelope.payloadType, body, keyid });
  }
  const known = envelope.signatures.some(({ keyid }) => trusted.has(keyid));
  return fail(
    known
      ? problem('refused', 'A signed envelope was changed after it was signed.', 'Ask the manager to issue it again.')
      : problem(
          'refused',
          'A signed envelope carries no signature by a trusted key.',
          'Trust the key of the manager that issued it, or issue it with a trusted one.',
        ),
  );
}

/** Standard or URL-safe base64, as the specification asks of readers; null for anything else. */
function decodeBase64(text: string): Buffer<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64');
  const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  return bytes.toString('base64').replace(/=+$/, '') === plain ? bytes : null;
}
