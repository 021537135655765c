// Whom a sentinel believes, and what it would make of a manifest: the same judgement as before one is put in force, for whoever
// wants it of a file.
import { readFile } from 'node:fs/promises';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Manifest } from '../../model/manifest.ts';
import { openEnvelope } from '../../protocols/dsse/envelope.ts';
import { readTrustList, type TrustedKeys } from '../../protocols/dsse/keys.ts';
import { openInstruction } from './sealed-instruction.ts';

export interface VerifiedManifest {
  readonly manifest: Manifest;
  /** The trusted key whose signature holds. */
  readonly keyid: string;
}

/** The trust list a manager hands out, as parsed JSON. */
export function readTrust(list: unknown): Result<TrustedKeys> {
  return readTrustList(list);
}

export async function readTrustFile(path: string): Promise<Result<TrustedKeys>> {
  let list: unknown;
  try {
    list = JSON.parse(await readFile(path, 'utf8'));
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return fail(
      missing
        ? problem(
            'not-found',
            `There are no trusted keys: ${path} does not exist.`,
            'Copy trust.json from the manager.',
          )
        : problem('unreadable', `The trusted keys in ${path} cannot be read: ${causeOf(thrown)}.`),
    );
  }
  return readTrust(list);
}

export function verifyManifest(envelope: unknown, trusted: TrustedKeys): Result<VerifiedManifest> {
  const opened = openInstruction(envelope, trusted);
  if (!opened.ok) return opened;
  if (opened.value.kind !== 'manifest')
    return fail(problem('unreadable', `The signature holds, but what it seals is no manifest (${opened.value.kind}).`));
  // The shape was checked above; here only the name of the key is wanted.
  const sealed = openEnvelope(envelope as Parameters<typeof openEnvelope>[0], trusted);
  return sealed.ok ? ok({ manifest: opened.value.manifest, keyid: sealed.value.keyid }) : sealed;
}
