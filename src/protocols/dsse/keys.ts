// Ed25519 keys for DSSE as text: a private key in PKCS #8 PEM, and the list of trusted public keys that travels to verifiers.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { SigningKey } from './envelope.ts';

/** Public keys by keyid. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

/** What `trust.json` holds: public keys as SPKI in base64. Safe to show to anybody, but not to take from anybody. */
export interface TrustList {
  readonly keys: readonly { readonly keyid: string; readonly algorithm: 'ed25519'; readonly publicKey: string }[];
}

const keysMax = 64;

export function makePrivateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function readPrivateKey(pem: string): Result<SigningKey> {
  try {
    const privateKey = createPrivateKey(pem);
    if (privateKey.asymmetricKeyType === 'ed25519')
      return ok({ keyid: keyidOf(createPublicKey(privateKey)), privateKey });
  } catch {
    // Said below; the reason could quote key material.
  }
  return fail(problem('unreadable', 'A signing key is not an Ed25519 private key in PKCS #8 PEM.'));
}

/** SHA-256 over the SPKI bytes, in hex: the same key has the same id everywhere. */
export function keyidOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

export function trustListOf(key: SigningKey): TrustList {
  const publicKey = createPublicKey(key.privateKey);
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  return { keys: [{ keyid: key.keyid, algorithm: 'ed25519', publicKey: spki }] };
}

/** Parsed JSON of a trust list. An id that does not belong to its key is refused: ids are made, not chosen. */
export function readTrustList(value: unknown): Result<TrustedKeys> {
  const keys = (value as Partial<TrustList> | null)?.keys;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > keysMax)
    return fail(problem('unreadable', `A list of trusted keys needs 1 to ${keysMax} keys.`));
  const trusted = new Map<string, KeyObject>();
  for (const [index, entry] of (keys as readonly unknown[]).entries()) {
    const key = publicKeyOf(entry);
    if (key === null)
      return fail(problem('unreadable', `Trusted key ${index + 1} is not an Ed25519 public key with its own key id.`));
    trusted.set(keyidOf(key), key);
  }
  return ok(trusted);
}

function publicKeyOf(entry: unknown): KeyObject | null {
  const { keyid, publicKey } = (entry ?? {}) as { keyid?: unknown; publicKey?: unknown };
  if (typeof publicKey !== 'string') return null;
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' && keyidOf(key) === keyid ? key : null;
  } catch {
    return null;
  }
}
