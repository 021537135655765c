// The sentinel's directory on disk: nobody but its owner may look into it, because it holds manifests and the local door.
import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from './make-directories.ts';
import { causeOf, problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';

export interface StateDir {
  readonly path: string;
  readonly database: string;
  readonly vault: string;
  readonly profiles: string;
  /** Sockets of gdb stubs while guests are traced. */
  readonly stubs: string;
  /** What was collected of VMs as evidence. */
  readonly evidence: string;
  readonly socket: string;
}

export function stateDirPaths(path: string): StateDir {
  return {
    path,
    database: join(path, 'sentinel.db'),
    vault: join(path, 'vault'),
    profiles: join(path, 'profiles'),
    stubs: join(path, 'stubs'),
    evidence: join(path, 'evidence'),
    socket: join(path, 'sentinel.sock'),
  };
}

/** sun_path of a unix socket takes 107 bytes and a NUL (unix(7)). */
const socketPathBytesMax = 107;

export function openStateDir(path: string): Result<StateDir> {
  const paths = stateDirPaths(path);
  if (Buffer.byteLength(paths.socket) > socketPathBytesMax)
    return fail(
      problem(
        'usage',
        `The state directory ${path} has too long a path for a unix socket in it.`,
        'Choose a shorter one.',
      ),
    );
  try {
    for (const dir of [paths.path, paths.vault, paths.profiles, paths.stubs, paths.evidence]) {
      makeDirectories(dir);
      if (statSync(dir).uid === process.getuid?.()) chmodSync(dir, 0o700);
      else
        return fail(
          problem(
            'refused',
            `The state directory ${dir} belongs to another user.`,
            'Give it to the user the sentinel runs as, or choose another one.',
          ),
        );
    }
    return ok(paths);
  } catch (error) {
    return fail(
      problem(
        'failed',
        `The state directory ${path} cannot be used: ${causeOf(error)}.`,
        'Choose a directory the sentinel may write to.',
      ),
    );
  }
}
