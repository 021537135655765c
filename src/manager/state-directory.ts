// The directory in which a manager keeps everything: claimed by one process at a time, private to its account, and written
// so that a power cut leaves either the old file or the new one.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { problem, type Problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';

export interface StateDirectory {
  readonly path: string;
  fileOf(name: string): string;
  /** Replaces a file whole. Readable by the owner only. */
  write(name: string, text: string): Result<null>;
  /** The text of a file, made by `make` when it does not exist yet. */
  readOrMake(name: string, make: () => string): Result<string>;
  remove(name: string): void;
  close(): void;
}

export function openStateDirectory(path: string): Result<StateDirectory> {
  try {
    makeDirectories(resolve(path));
  } catch (thrown) {
    return fail(unusable(path, thrown));
  }
  const claimed = claim(path);
  if (!claimed.ok) return claimed;
  const fileOf = (name: string) => join(path, name);
  const write = (name: string, text: string) => writeWhole(fileOf(name), text);
  return ok({
    path,
    fileOf,
    write,
    readOrMake(name, make) {
      const old = readIfThere(fileOf(name));
      if (!old.ok) return old;
      if (old.value !== null) return ok(old.value);
      const text = make();
      const written = write(name, text);
      return written.ok ? ok(text) : written;
    },
    remove: (name) => rmSync(fileOf(name), { force: true }),
    close: () => claimed.value.close(),
  });
}

/** Not `recursive`: Node's own way loops for ever where making a directory says ENOENT, as below /proc. */
function makeDirectories(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectories(parent);
  mkdirSync(path, { mode: 0o700 });
}

/**
 * Node has no file locks, but SQLite does: an exclusive transaction on an empty database is a lock the kernel takes back
 * when its process ends, however it ends. A pid file would outlive a crash and name a stranger.
 */
function claim(path: string): Result<DatabaseSync> {
  const file = join(path, 'lock');
  let lock: DatabaseSync | null = null;
  try {
    // Closing any descriptor of a file gives up all locks this process has on it (fcntl(2)): one that is there is not opened here.
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    lock = new DatabaseSync(file, { timeout: 0 });
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return ok(lock);
  } catch (thrown) {
    lock?.close();
    const code = (thrown as { errcode?: number }).errcode;
    const sqliteBusy = 5;
    if (code === sqliteBusy)
      return fail(
        problem(
          'refused',
          `Another manager is using the state directory ${path}.`,
          'Stop it first, or give this one a state directory of its own.',
        ),
      );
    return fail(unusable(path, thrown));
  }
}

function readIfThere(file: string): Result<string | null> {
  try {
    return ok(readFileSync(file, 'utf8'));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return ok(null);
    return fail(unusable(file, thrown));
  }
}

function writeWhole(file: string, text: string): Result<null> {
  const beside = `${file}.new`;
  try {
    rmSync(beside, { force: true });
    const handle = openSync(beside, 'wx', 0o600);
    try {
      const bytes = Buffer.from(text);
      for (let written = 0; written < bytes.length;) written += writeSync(handle, bytes, written);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    chmodSync(beside, 0o600);
    renameSync(beside, file);
    return ok(null);
  } catch (thrown) {
    return fail(unusable(file, thrown));
  }
}

function unusable(path: string, thrown: unknown): Problem {
  const code = (thrown as NodeJS.ErrnoException).code ?? '';
  switch (code) {
    case 'ENOSPC':
      return problem('failed', `There is no room left for ${path}.`, 'Free some space on its disk and start again.');
    case 'EROFS':
      return problem('failed', `${path} is on a read-only file system.`, 'Name a state directory that can be written.');
    case 'EACCES':
    case 'EPERM':
      return problem(
        'refused',
        `${path} may not be written by this account.`,
        'Change its owner, or name another state directory.',
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return problem('usage', `${path} is not a directory.`, 'Name a directory, or one that can be made.');
    default:
      return problem(
        'failed',
        `${path} cannot be used as state directory (${code || 'unknown error'}).`,
        'Name a directory that can be written.',
      );
  }
}
