// Holds a bundle against its signed index, offline: the signature, and every byte of the archive. The index says which members stand in
// which order, so that nothing may be there that it does not name, and a byte that was changed is told with the member it belongs to.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Check } from 'typebox/value';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { EvidenceIndex } from '../../model/evidence.ts';
import { SealedManifest } from '../../model/manifest.ts';
import { openEnvelope } from '../../protocols/dsse/envelope.ts';
import type { TrustedKeys } from '../../protocols/dsse/keys.ts';
import { readTarHeader, tarBlockBytes, tarEndBytes, tarHeader, tarPadding } from '../../protocols/tar/ustar.ts';
import { bundleIndexBytesMax, bundleIndexName, bundleIndexType } from './bundle-form.ts';

export interface BundleFault {
  /** Name of the member, or what else of the archive it is. */
  readonly member: string;
  readonly why: string;
}

export interface VerifiedBundle {
  /** The trusted key whose signature on the index holds. */
  readonly keyid: string;
  readonly index: EvidenceIndex;
  readonly sizeBytes: number;
  /** Empty = the bundle is, byte for byte, what was signed. */
  readonly faults: readonly BundleFault[];
}

const windowBytes = 1024 * 1024;
const faultsMax = 1000;

/** A problem when the file is no bundle, or its index cannot be believed. */
export async function verifyBundle(path: string, trusted: TrustedKeys): Promise<Result<VerifiedBundle>> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (thrown) {
    const isMissing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return fail(
      isMissing
        ? problem('not-found', `There is no file ${path}.`)
        : problem('unreadable', `${path} cannot be read: ${causeOf(thrown)}.`),
    );
  }
  try {
    return await verify(path, file, trusted);
  } catch (thrown) {
    return fail(problem('unreadable', `${path} cannot be read to its end: ${causeOf(thrown)}.`));
  } finally {
    await file.close();
  }
}

async function verify(path: string, file: FileHandle, trusted: TrustedKeys): Promise<Result<VerifiedBundle>> {
  const stat = await file.stat();
  if (!stat.isFile()) return fail(problem('unreadable', `${path} is not a file.`));
  const found = await findIndex(file, stat.size);
  if (found === null)
    return fail(
      problem(
        'unreadable',
        `${path}: index.json is not found at its end: it is no bundle, was cut off, or its index was damaged.`,
        'Export it again.',
      ),
    );
  const opened = openIndex(path, found.bytes, trusted);
  if (!opened.ok) return opened;
  const { index, keyid } = opened.value;
  const faults: BundleFault[] = [];
  const note = (member: string, why: string): void => {
    if (faults.length < faultsMax) faults.push({ member, why });
  };
  const mtimeSeconds = Math.floor(Date.parse(index.madeAt) / 1000);
  let at = 0;
  for (const member of index.members) {
    const { name, sizeBytes, sha256 } = member;
    const header = await readAt(file, at, tarBlockBytes);
    if (!header.equals(tarHeader({ name, sizeBytes, mtimeSeconds }))) note(name, 'its header was changed');
    const contentAt = at + tarBlockBytes;
    const hashed = await hashAt(file, contentAt, sizeBytes);
    if (hashed !== sha256) note(name, 'its bytes are not those that were signed');
    const padding = await readAt(file, contentAt + sizeBytes, tarPadding(sizeBytes));
    if (padding.length !== tarPadding(sizeBytes) || !isZero(padding))
      note(name, 'what fills its last block was changed');
    at = contentAt + sizeBytes + tarPadding(sizeBytes);
  }
  if (at !== found.at) note(bundleIndexName, `it stands at byte ${found.at} and belongs at byte ${at}`);
  const header = tarHeader({ name: bundleIndexName, sizeBytes: found.bytes.length, mtimeSeconds });
  if (!header.equals(await readAt(file, found.at, tarBlockBytes))) note(bundleIndexName, 'its header was changed');
  const endAt = found.at + tarBlockBytes + found.bytes.length;
  const endBytes = tarPadding(found.bytes.length) + tarEndBytes;
  if (stat.size !== endAt + endBytes)
    note('end of the archive', `it has ${stat.size - endAt} bytes where ${endBytes} belong`);
  const rest = await readAt(file, endAt, Math.min(endBytes, stat.size - endAt));
  if (!isZero(rest)) note('end of the archive', 'it was changed');
  return ok({ keyid, index, sizeBytes: stat.size, faults });
}

/** The last member that calls itself the index, in a file that may have been cut or added to. */
async function findIndex(file: FileHandle, sizeBytes: number): Promise<{ at: number; bytes: Buffer } | null> {
  const lowest = Math.max(0, sizeBytes - bundleIndexBytesMax - 2 * tarEndBytes);
  const name = Buffer.from(`${bundleIndexName}\0`);
  for (let end = sizeBytes - (sizeBytes % tarBlockBytes); end > lowest; end -= windowBytes) {
    const from = Math.max(0, end - windowBytes);
    const window = await readAt(file, from, end - from);
    for (let place = window.length - tarBlockBytes; place >= 0; place -= tarBlockBytes) {
      if (window.compare(name, 0, name.length, place, place + name.length) !== 0) continue;
      const header = readTarHeader(window.subarray(place, place + tarBlockBytes));
      if (header === null || header.sizeBytes > bundleIndexBytesMax) continue;
      const bytes = await readAt(file, from + place + tarBlockBytes, header.sizeBytes);
      return bytes.length === header.sizeBytes ? { at: from + place, bytes } : null;
    }
  }
  return null;
}

function openIndex(
  path: string,
  bytes: Buffer,
  trusted: TrustedKeys,
): Result<{ readonly index: EvidenceIndex; readonly keyid: string }> {
  const envelope = parse(bytes.toString('utf8'));
  if (!Check(SealedManifest, envelope))
    return fail(problem('unreadable', `${path}: index.json was changed: it is no signed envelope.`));
  // One spelling only, so that no byte of the envelope is outside of what is checked.
  if (`${JSON.stringify(envelope)}\n` !== bytes.toString('utf8'))
    return fail(problem('refused', `${path}: index.json was changed after it was written.`));
  const opened = openEnvelope(envelope, trusted);
  if (!opened.ok) {
    const { kind, message } = opened.error;
    return fail(problem(kind, `${path}: index.json: ${message}`, 'Name the manager’s trust.json with --trust.'));
  }
  if (opened.value.payloadType !== bundleIndexType)
    return fail(problem('refused', `${path}: index.json seals ${opened.value.payloadType}, which is no index.`));
  const index = parse(Buffer.from(opened.value.body).toString('utf8'));
  if (!Check(EvidenceIndex, index))
    return fail(problem('unreadable', `${path}: index.json is signed, and not in a form that is known here.`));
  const names = index.members.map(({ name }) => name);
  if (new Set(names).size !== names.length)
    return fail(problem('unreadable', `${path}: index.json names a member twice.`));
  return ok({ index, keyid: opened.value.keyid });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** So many bytes from there, or fewer where the file ends. */
async function readAt(file: FileHandle, at: number, count: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, count));
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function hashAt(file: FileHandle, at: number, count: number): Promise<string> {
  const hash = createHash('sha256');
  for (let done = 0; done < count;) {
    const chunk = await readAt(file, at + done, Math.min(windowBytes, count - done));
    if (chunk.length === 0) return 'cut off';
    hash.update(chunk);
    done += chunk.length;
  }
  return hash.digest('hex');
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
