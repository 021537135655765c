// What is expensive to make is made once: a directory per key, complete or absent, safe when two processes want it at once.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';

/** Git-ignored; may be deleted at any time when no lab runs. */
export const cacheRoot = resolve(import.meta.dirname, '../.cache/lab');

const lockPatienceMs = 15 * 60_000;
const lockRetryMs = 250;

/**
 * The directory `key` under the cache, built by `make` when it is not there. `make` fills an empty directory beside it;
 * only a complete one is renamed into place. A key names its content (version or hash), so a built one never changes.
 */
export async function cached(
  key: string,
  make: (directory: string) => Promise<Result<void>>,
  root: string = cacheRoot,
): Promise<Result<string>> {
  const place = join(root, key);
  if (existsSync(place)) return ok(place);
  return locked(place, async () => {
    if (existsSync(place)) return ok(place);
    const beside = `${place}.part-${randomBytes(4).toString('hex')}`;
    await removeUnfinished(place);
    await mkdir(beside, { recursive: true });
    try {
      const made = await make(beside);
      if (!made.ok) return made;
      await rename(beside, place);
      return ok(place);
    } finally {
      await rm(beside, { recursive: true, force: true });
    }
  });
}

/** Leftovers of a builder that was killed: the lock is ours now, so nobody is writing them. */
async function removeUnfinished(place: string): Promise<void> {
  const parent = resolve(place, '..');
  if (!existsSync(parent)) return;
  const prefix = `${place.slice(parent.length + 1)}.part-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * Runs `work` while no other process of this machine holds the same name. The lock is an abstract unix socket, which the
 * kernel releases however its holder dies, so there is no stale lock to reason about.
 */
export async function locked<T>(name: string, work: () => Promise<Result<T>>): Promise<Result<T>> {
  const address = `\0plumbline-lab-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  const deadline = performance.now() + lockPatienceMs;
  let lock = await tryListen(address);
  while (lock === undefined) {
    if (performance.now() > deadline) {
      return fail(
        problem(
          'failed',
          `${name} has been locked by another process for ${lockPatienceMs / 60_000} minutes.`,
          'End the other lab build and try again.',
        ),
      );
    }
    await wait(lockRetryMs);
    lock = await tryListen(address);
  }
  try {
    return await work();
  } finally {
    lock.close();
  }
}

async function tryListen(address: string): Promise<Server | undefined> {
  return new Promise((resolved, rejected) => {
    const server = createServer();
    server.once('error', (thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'EADDRINUSE') resolved(undefined);
      else rejected(thrown);
    });
    server.listen(address, () => resolved(server));
  });
}

/** A short name for content, for keys that must change with what they hold. */
export function fingerprint(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 16);
}
