// A secret from its file, which nobody but the manager's account may read or change.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

const secretBytesMax = 4096;

/** Without the line break at its end. What it says is in no message. */
export async function readSecret(file: string): Promise<Result<string>> {
  let handle: FileHandle | null = null;
  try {
    // Opened once and looked at by its handle, so that what was checked is what is read; a pipe does not keep us waiting.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readChecked(handle, file);
  } catch (thrown) {
    const kind = (thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'not-found' : 'unreadable';
    return fail(problem(kind, `The secret in ${file} cannot be read: ${causeOf(thrown)}.`));
  } finally {
    await handle?.close();
  }
}

async function readChecked(handle: FileHandle, file: string): Promise<Result<string>> {
  const { mode, uid, size, isFile } = await statOf(handle);
  if (!isFile) return fail(problem('refused', `${file} is not a file.`, 'Write the secret into a file of its own.'));
  if ((mode & 0o077) !== 0)
    return fail(
      problem(
        'refused',
        `${file} holds a secret, and others than its owner may open it (mode ${(mode & 0o777).toString(8)}).`,
        `Run: chmod 600 ${file}`,
      ),
    );
  if (uid !== 0 && uid !== process.getuid?.())
    return fail(
      problem(
        'refused',
        `${file} belongs to user ${uid}, who can change it.`,
        'Give it to the account of the manager.',
      ),
    );
  if (size > secretBytesMax) return fail(problem('refused', `${file} is larger than ${secretBytesMax} bytes.`));
  const text = (await handle.readFile('utf8')).replace(/\r?\n$/, '');
  if (text === '') return fail(problem('refused', `${file} is empty.`, 'Write the secret into it.'));
  if (/[\0\r\n]/.test(text))
    return fail(problem('refused', `${file} has more than one line.`, 'Write the secret into it and nothing else.'));
  return ok(text);
}

async function statOf(handle: FileHandle) {
  const stat = await handle.stat();
  return { mode: stat.mode, uid: stat.uid, size: stat.size, isFile: stat.isFile() };
}
