// Puts a stream into a file whole or not at all: written beside, synced, looked at, and only then given its name.
import { constants } from 'node:fs';
import { access, open, rename, rm } from 'node:fs/promises';
import { causeOf, problem, type Problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';

/**
 * `look` sees the file before it has its name; when it objects, nothing stays. A file that is there already is left as it is, and the
 * stream is not begun for it.
 */
export async function saveStream<T>(
  path: string,
  begin: () => Promise<Result<AsyncIterable<Uint8Array>>>,
  look: (written: string) => Promise<Result<T>>,
): Promise<Result<T>> {
  if (await isThere(path)) return fail(taken(path));
  const stream = await begin();
  if (!stream.ok) return stream;
  const beside = `${path}.${process.pid}.part`;
  try {
    const file = await open(beside, 'wx', 0o600);
    try {
      for await (const chunk of stream.value) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    const looked = await look(beside);
    if (!looked.ok) return looked;
    if (await isThere(path)) return fail(taken(path));
    await rename(beside, path);
    return ok(looked.value);
  } catch (thrown) {
    // What the file system says of itself names the call; everything else is the stream's.
    if ((thrown as NodeJS.ErrnoException).syscall === undefined)
      return fail(
        problem('interrupted', `The stream into ${path} broke off: ${causeOf(thrown)}.`, 'Ask for it again.'),
      );
    return fail(problem('failed', `${path} cannot be written: ${causeOf(thrown)}.`, 'Name a file that can be.'));
  } finally {
    await rm(beside, { force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

function taken(path: string): Problem {
  return problem('refused', `${path} is there already, and evidence is not written over.`, 'Name another file.');
}
