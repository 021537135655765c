// Bytes that were known to be good, kept so that they cost next to nothing: in memory stays a digest of each slice, which tells whether
// anything changed. The bytes themselves, wanted only where something did, lie in a file without a name; they count for nothing
// unless they still have their digest.
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export const sliceBytes = 64 * 1024;
/** Of one guest: a kernel's code and constants are some 25 MB. */
const bytesMaxDefault = 512 * 1024 * 1024;

interface Extent {
  readonly at: number;
  readonly length: number;
}

export interface KeptSlice {
  /** SHA-256: whoever changes guest memory must not find other bytes that pass. */
  readonly digest: string;
  /** Where in the file they lie, or they themselves where there is none. */
  readonly bytes: Extent | Buffer;
}

export interface KeptBytesOptions {
  /** Where the file is made; null = everything is kept in memory, for a look or two. */
  readonly directory: string | null;
  readonly bytesMax?: number;
}

/** One for each guest. */
export class KeptBytes {
  readonly #bytesMax: number;
  /** Whatever is compared is read into this, over and over. */
  readonly #now = Buffer.alloc(sliceBytes);
  #file: number | null;
  #fileEnd = 0;
  #free: Extent[] = [];
  #sizeBytes = 0;

  constructor({ directory, bytesMax }: KeptBytesOptions) {
    this.#bytesMax = bytesMax ?? bytesMaxDefault;
    this.#file = directory === null ? null : openNameless(directory);
  }

  /** How much is kept. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** At most `sliceBytes` at once; null when no more is kept. */
  keep(bytes: Buffer): KeptSlice | null {
    if (bytes.length > sliceBytes || this.#sizeBytes + bytes.length > this.#bytesMax) return null;
    this.#sizeBytes += bytes.length;
    return { digest: digestOf(bytes), bytes: this.#store(bytes) ?? Buffer.from(bytes) };
  }

  /** `read` fills a buffer with what is there now; false when it cannot. */
  compare(
    { digest, bytes: { length } }: KeptSlice,
    read: (into: Buffer) => boolean,
  ): 'same' | 'changed' | 'unreadable' {
    const now = this.#now.subarray(0, length);
    if (!read(now)) return 'unreadable';
    return digestOf(now) === digest ? 'same' : 'changed';
  }

  /** Null when they are not what was kept any more. */
  bytes({ digest, bytes }: KeptSlice): Buffer | null {
    const kept = Buffer.isBuffer(bytes) ? bytes : this.#fetch(bytes);
    return kept !== null && digestOf(kept) === digest ? kept : null;
  }

  drop({ bytes }: KeptSlice): void {
    this.#sizeBytes -= bytes.length;
    if (Buffer.isBuffer(bytes)) return;
    const joined: Extent[] = [];
    for (const { at, length } of [...this.#free, bytes].toSorted((one, other) => one.at - other.at)) {
      const last = joined.at(-1);
      if (last !== undefined && last.at + last.length === at)
        joined[joined.length - 1] = { at: last.at, length: last.length + length };
      else joined.push({ at, length });
    }
    const last = joined.at(-1);
    if (last !== undefined && last.at + last.length === this.#fileEnd) {
      this.#fileEnd = last.at;
      joined.pop();
    }
    this.#free = joined;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** Null when there is no file, or no room for it: what is watched over does not depend on a disk. */
  #store(bytes: Buffer): Extent | null {
    if (this.#file === null) return null;
    const { length } = bytes;
    const found = this.#free.findIndex((extent) => extent.length >= length);
    const room = this.#free[found] ?? { at: this.#fileEnd, length };
    try {
      if (writeSync(this.#file, bytes, 0, length, room.at) !== length) return null;
    } catch {
      return null;
    }
    const rest = { at: room.at + length, length: room.length - length };
    if (found < 0) this.#fileEnd += length;
    else this.#free.splice(found, 1, ...(rest.length > 0 ? [rest] : []));
    return { at: room.at, length };
  }

  #fetch({ at, length }: Extent): Buffer | null {
    if (this.#file === null) return null;
    const bytes = Buffer.alloc(length);
    try {
      return readSync(this.#file, bytes, 0, length, at) === length ? bytes : null;
    } catch {
      return null;
    }
  }
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/** Nobody else can open it, and it is gone with this process however that ends. Null when none can be made there. */
function openNameless(directory: string): number | null {
  const path = join(directory, `kept-${randomUUID()}`);
  try {
    const file = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return file;
  } catch {
    return null;
  }
}
