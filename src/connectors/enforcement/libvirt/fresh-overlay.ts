// The fresh disk a VM goes on with: an empty qcow2 overlay beside the disk it had before, over a golden image or over that disk. The
// name of one over a golden image says which disk that was and in which format, so that the way back needs no other memory.
//
// QEMU's user may own the directory and plant a link under any name there. So qemu-img writes in a directory of ours alone, and only
// the bytes come here, into a file that must not have been there.
import { constants } from 'node:fs';
import { link, lstat, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { causeOf, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { runProgram } from '../../../protocols/host-program/run-program.ts';
import type { DiskFormat } from '../../../protocols/libvirt/domain-disks.ts';
import { isPlainPath } from './golden-image.ts';

export interface DiskBefore {
  readonly file: string;
  readonly format: DiskFormat;
  readonly key: string;
}

export interface OverlayBase {
  readonly path: string;
  readonly format: DiskFormat;
  /** Given of one that a QEMU has open for writing, whom qemu-img would have to disturb to learn it. */
  readonly virtualBytes?: number;
}

/** One without data is its header and tables. */
const overlayBytesMax = 64 * 1024 * 1024;
/** What file systems take, less what a part's name adds. */
const nameBytesMax = 250;
const ours = /^(.+)\.plumbline-([0-9a-z]{12})(-raw)?\.qcow2$/s;

export function overlayPath(disk: string, format: DiskFormat, key: string): Result<string> {
  return besideDisk(disk, `.plumbline-${key}${format === 'raw' ? '-raw' : ''}.qcow2`);
}

/** A file named after the disk. */
export function besideDisk(disk: string, ending: string): Result<string> {
  const path = `${disk}${ending}`;
  if (isPlainPath(path) && Buffer.byteLength(basename(path)) <= nameBytesMax) return ok(path);
  return fail(problem('refused', `No file can be named after the VM's disk ${JSON.stringify(disk.slice(0, 1024))}.`));
}

/** Null = it is no fresh disk of ours over a golden image. */
export function diskBefore(overlay: string): DiskBefore | null {
  const [, file, key, raw] = ours.exec(overlay) ?? [];
  if (file === undefined || key === undefined) return null;
  return { file, key, format: raw === undefined ? 'qcow2' : 'raw' };
}

/** With the owner and mode of `disk`. The same again changes nothing; what is there under that name and is not it stays. */
export async function makeOverlay(path: string, disk: string, base: OverlayBase): Promise<Result<void>> {
  const bytes = await emptyOverlay(base);
  if (!bytes.ok) return bytes;
  try {
    const there = await readBack(path);
    if (there !== null)
      return there.equals(bytes.value)
        ? ok(undefined)
        : fail(problem('refused', `${path} is there already and is no empty overlay.`, 'Move it away.'));
    await put(path, disk, bytes.value);
    return ok(undefined);
  } catch (thrown) {
    return fail(problem('failed', `${path} cannot be made: ${causeOf(thrown)}.`));
  }
}

async function emptyOverlay({ path, format, virtualBytes }: OverlayBase): Promise<Result<Buffer>> {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-overlay-'));
  try {
    const file = join(directory, 'overlay.qcow2');
    const [unopened, size] = virtualBytes === undefined ? [[], []] : [['-u'], [String(virtualBytes)]];
    const over = ['-f', 'qcow2', '-b', path, '-F', format];
    const made = await runProgram(['qemu-img', 'create', '-q', ...unopened, ...over, '--', file, ...size]);
    if (!made.ok) return made;
    if ((await lstat(file)).size > overlayBytesMax)
      return fail(problem('refused', `An empty overlay over ${path} takes more than ${overlayBytesMax} bytes.`));
    return ok(await readFile(file));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Null = there is nothing. Throws what cannot be read. */
async function readBack(path: string): Promise<Buffer | null> {
  const found = await lstat(path).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return null;
    throw thrown;
  });
  if (found === null) return null;
  if (!found.isFile() || found.size > overlayBytesMax) return Buffer.alloc(0);
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

async function put(path: string, disk: string, bytes: Buffer): Promise<void> {
  const { uid, gid, mode } = await lstat(disk);
  const part = `${path}.part`;
  await rm(part, { force: true });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(part, flags, 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.chown(uid, gid);
    await handle.chmod(mode & 0o777);
    await handle.sync();
  } finally {
    await handle.close();
  }
  // Fails where something is, which a rename would replace.
  await link(part, path);
  await rm(part);
}
