// Replacing a file so that a reader, or a power cut, finds the old one or the new one whole and never a part.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

/** Mode 0600. Written beside, flushed, renamed over; the directory is flushed too, or the name could be lost. */
export function replaceFile(path: string, content: string): Result<void> {
  const beside = `${path}.new`;
  try {
    rmSync(beside, { force: true });
    const file = openSync(beside, 'wx', 0o600);
    try {
      const bytes = Buffer.from(content, 'utf8');
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
    const directory = openSync(dirname(path), 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
    return ok(undefined);
  } catch (error) {
    rmSync(beside, { force: true });
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    return fail(
      problem(
        'failed',
        full ? `${path} cannot be written: the disk is full.` : `${path} cannot be written: ${causeOf(error)}.`,
        full
          ? 'Free some space; the file is as it was.'
          : 'Check the permissions of the state directory; the file is as it was.',
      ),
    );
  }
}
