// Secrets stand in files, so that the configuration can be shown; they are read at each use, so that a new one needs no restart.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

const bytesMax = 8192;

/** The file's text without the white space around it: one line that may stand in a header. */
export async function readSecret(path: string): Promise<Result<string>> {
  const refuse = (why: string, mend: string) => fail(problem('refused', `The secret ${path} ${why}.`, mend));
  let handle;
  try {
    // Not to wait for whoever would write into a pipe.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const about = await handle.stat();
    if (!about.isFile()) return refuse('is no file', 'Name a file.');
    if ((about.mode & 0o007) !== 0) return refuse('may be read or written by everybody', `chmod 600 ${path}`);
    if (about.size > bytesMax) return refuse(`is longer than ${bytesMax} bytes`, 'Let it hold the secret alone.');
    const text = (await handle.readFile('utf8')).trim();
    if (!/^[\x20-\x7e]+$/.test(text))
      return refuse('is not one line of printable ASCII', 'Let it hold the secret alone.');
    return ok(text);
  } catch (thrown) {
    return fail(problem('not-found', `The secret ${path} cannot be read: ${causeOf(thrown).slice(0, 200)}.`));
  } finally {
    await handle?.close();
  }
}
