// Reads an item that lies with the manager itself, and believes the disk no more than a sentinel: size and hash are those of the time
// when it was collected, or it is said that they are not.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { causeOf } from '../../kit/problem.ts';
import type { ItemFound } from '../../model/evidence.ts';
import type { StoredEvidence } from '../store/evidence.ts';
import { ownPath } from './own-items.ts';
import type { ItemEnd, OpenedItem } from './read-item.ts';

const chunkBytes = 1024 * 1024;

/** `directory`: of all platforms' files. */
export async function openOwnItem(directory: string, stored: StoredEvidence): Promise<OpenedItem> {
  const nothing = (found: ItemFound, why: string): OpenedItem => ({
    isThere: false,
    end: { found, readBytes: 0, why },
  });
  const sizeBytes = stored.item.sizeBytes ?? 0;
  const path = ownPath(directory, stored);
  if (path === null) return nothing('differs', 'it has no name that a file could have');
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const stat = await file.stat();
    if (stat.isFile() && stat.size === sizeBytes)
      return { isThere: true, sizeBytes, chunks: () => chunksOf(file, stored, sizeBytes) };
    await file.close();
    return nothing('differs', `it has ${stat.size} bytes now, and had ${sizeBytes} when it was collected`);
  } catch (thrown) {
    const isGone = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return nothing(isGone ? 'gone' : 'differs', isGone ? 'its file is gone' : `it cannot be read: ${causeOf(thrown)}`);
  }
}

async function* chunksOf(
  file: FileHandle,
  { item }: StoredEvidence,
  sizeBytes: number,
): AsyncGenerator<Buffer, ItemEnd> {
  const hash = createHash('sha256');
  let readBytes = 0;
  try {
    while (readBytes < sizeBytes) {
      const buffer = Buffer.alloc(Math.min(chunkBytes, sizeBytes - readBytes));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, readBytes);
      if (bytesRead === 0) return { found: 'cut-short', readBytes, why: 'it became shorter while it was read' };
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      readBytes += bytesRead;
      yield chunk;
    }
  } catch (thrown) {
    return { found: 'cut-short', readBytes, why: `it cannot be read: ${causeOf(thrown)}` };
  } finally {
    await file.close();
  }
  const sha256 = hash.digest('hex');
  if (sha256 === item.sha256) return { found: 'whole', readBytes, why: '' };
  return { found: 'differs', readBytes, why: `its sha256 is ${sha256}, and was ${item.sha256} when it was collected` };
}
