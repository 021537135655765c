// The manager's signature: made with a key that never leaves its state directory, over canonical JSON, as DSSE envelopes.
import { canonicalJson, type Json } from '../../kit/canonical-json.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { SealedManifest } from '../../model/manifest.ts';
import { openEnvelope, sealEnvelope } from '../../protocols/dsse/envelope.ts';
import {
  makePrivateKey,
  readPrivateKey,
  readTrustList,
  trustListOf,
  type TrustList,
} from '../../protocols/dsse/keys.ts';
import type { StateDirectory } from '../state-directory.ts';

export interface Seals {
  readonly keyid: string;
  /** What sentinels must trust to believe this manager. */
  readonly trust: TrustList;
  seal(payloadType: string, value: object): SealedManifest;
  /** The value inside, if this manager sealed it as this type. */
  open(envelope: SealedManifest, payloadType: string): Result<{ value: unknown; keyid: string }>;
}

const keyFile = 'signing-key.pem';
/** Handed to sentinels; holds public keys only. */
export const trustFile = 'trust.json';

export function openSeals(state: StateDirectory): Result<Seals> {
  const pem = state.readOrMake(keyFile, makePrivateKey);
  if (!pem.ok) return pem;
  const key = readPrivateKey(pem.value);
  if (!key.ok)
    return fail(
      problem(
        'unreadable',
        `${state.fileOf(keyFile)} is not an Ed25519 private key.`,
        'Put the key back from a copy; with a new key every sentinel must be told to trust it.',
      ),
    );
  const trust = trustListOf(key.value);
  const trusted = readTrustList(trust);
  if (!trusted.ok) return trusted;
  const written = state.write(trustFile, `${JSON.stringify(trust, null, 2)}\n`);
  if (!written.ok) return written;
  return ok({
    keyid: key.value.keyid,
    trust,
    // Model values are JSON by construction; the type system sees interfaces where it wants index signatures.
    seal: (payloadType, value) => sealEnvelope(payloadType, Buffer.from(canonicalJson(value as Json)), key.value),
    open(envelope, payloadType) {
      const opened = openEnvelope(envelope, trusted.value);
      if (!opened.ok) return opened;
      if (opened.value.payloadType !== payloadType)
        return fail(problem('refused', `A sealed ${opened.value.payloadType} stands where ${payloadType} belongs.`));
      try {
        return ok({ value: JSON.parse(Buffer.from(opened.value.body).toString('utf8')), keyid: opened.value.keyid });
      } catch {
        return fail(problem('unreadable', 'A sealed payload is not JSON.'));
      }
    },
  });
}
