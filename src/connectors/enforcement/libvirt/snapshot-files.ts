// The files of an external snapshot: how they are called, and whether they are still what they were. The memory lies where nobody but
// the sentinel may write: libvirt opens it as root, and would follow a link that QEMU's user planted under its name.
import { constants } from 'node:fs';
import { lstat, open, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { causeOf, type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { besideDisk } from './fresh-overlay.ts';

/** What libvirt writes at the beginning once all the rest is written (src/qemu/qemu_saveimage.h); before, it is another word. */
const wholeMark = 'LibvirtQemudSave';
/** What is left free beside an overlay that begins to grow. */
const freeBytesMin = 2 ** 30;
/** A base may be written to for a moment after its memory was: its image's own tables, when QEMU lets go of it. */
const settleMs = 5000;
const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const keyForm = /^[0-9a-z]{12}/;

/** Names of files within the evidence directory, less the ending that says it is memory. */
export function memoryName(uuid: string, snapshot: string): Result<string> {
  if (uuidForm.test(uuid) && nameForm.test(snapshot)) return ok(`${uuid}.${snapshot}`);
  return fail(problem('refused', `No file can be named after snapshot ${JSON.stringify(snapshot.slice(0, 100))}.`));
}

export function memoryPath(directory: string, uuid: string, snapshot: string): Result<string> {
  const name = memoryName(uuid, snapshot);
  return name.ok ? ok(join(directory, `${name.value}.save`)) : name;
}

/** Where a disk goes on when a snapshot holds what it had. No fresh disk over a golden image is called so. */
export function sincePath(disk: string, snapshot: string): Result<string> {
  return nameForm.test(snapshot) ? besideDisk(disk, `.${snapshot}.since.qcow2`) : unnamed(snapshot);
}

/** Where a disk goes on that was put back to a snapshot; one for each time, named by its step. */
export function backPath(base: string, snapshot: string, key: string): Result<string> {
  const [short] = keyForm.exec(key) ?? [];
  return short !== undefined && nameForm.test(snapshot)
    ? besideDisk(base, `.${snapshot}.back-${short}.qcow2`)
    : unnamed(`${snapshot} ${key}`);
}

function unnamed(what: string): Result<never> {
  return fail(problem('refused', `No file can be named after ${JSON.stringify(what.slice(0, 100))}.`));
}

export interface MemoryFile {
  readonly sizeBytes: number;
  readonly writtenMs: number;
}

/** A problem when it is not there, or libvirt did not write it to its end. */
export async function readMemoryFile(path: string): Promise<Result<MemoryFile>> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      const { buffer } = await handle.read(Buffer.alloc(wholeMark.length), 0, wholeMark.length, 0);
      if (stat.isFile() && buffer.toString('latin1') === wholeMark)
        return ok({ sizeBytes: stat.size, writtenMs: stat.mtimeMs });
      return fail(problem('unreadable', `${path} is no memory that libvirt has written to its end.`));
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    return fail(problem('unreadable', `${path} cannot be read: ${causeOf(thrown)}.`));
  }
}

/** Why a disk that a snapshot stands on is not what it was when its memory was written; null = nothing says so. */
export async function baseObjection(base: string, { writtenMs }: MemoryFile): Promise<Problem | null> {
  try {
    const stat = await lstat(base);
    if (!stat.isFile()) return problem('refused', `${base} is no regular file.`);
    if (stat.mtimeMs <= writtenMs + settleMs) return null;
    return problem(
      'refused',
      `${base} was written to after the snapshot was made, at ${stat.mtime.toISOString()}: it is not the snapshot's disk any more.`,
      'Go back to another.',
    );
  } catch (thrown) {
    return problem('refused', `${base} cannot be read: ${causeOf(thrown)}.`);
  }
}

/** Why no overlay should begin to grow beside the disk; null = it may. It never needs more than the guest can write. */
export async function roomObjection(disk: string, virtualBytes: number): Promise<Problem | null> {
  try {
    const { bavail, bsize } = await statfs(dirname(disk));
    const freeBytes = bavail * bsize;
    const needed = Math.min(freeBytesMin, virtualBytes);
    if (freeBytes >= needed) return null;
    return problem(
      'refused',
      `What is written after a snapshot goes into a file beside ${disk}, where ${freeBytes} bytes are free, less than ${needed}.`,
      'Make room there, then order it again.',
    );
  } catch (thrown) {
    return problem('failed', `The disk space beside ${disk} cannot be had: ${causeOf(thrown)}.`);
  }
}
