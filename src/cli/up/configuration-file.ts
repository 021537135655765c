// The manager's configuration as `up` was told to find it.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { type Configuration, readConfiguration } from '../../manager/configuration.ts';
import type { ServeOptions } from '../programs.ts';

const configurationBytesMax = 16 * 1024 * 1024;

/** `port` takes the place of the configuration's own. */
export async function configurationOf({
  configFile,
  port,
}: Pick<ServeOptions, 'configFile' | 'port'>): Promise<Result<Configuration>> {
  const text = configFile === undefined ? ok('') : await textOf(configFile);
  if (!text.ok) return text;
  const read = readConfiguration(text.value, configFile ?? 'the default configuration');
  return read.ok && port !== undefined ? ok({ ...read.value, api: { ...read.value.api, port } }) : read;
}

/** A pipe that nobody writes to would be waited for without end, by a thread that keeps the process from ending. */
async function textOf(configFile: string): Promise<Result<string>> {
  let handle: FileHandle | null = null;
  try {
    handle = await open(configFile, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile())
      return fail(problem('unreadable', `The configuration ${configFile} is not a file.`, 'Write it into a file.'));
    if (stat.size > configurationBytesMax)
      return fail(
        problem('unreadable', `The configuration ${configFile} is larger than ${configurationBytesMax} bytes.`),
      );
    return ok(await handle.readFile('utf8'));
  } catch (thrown) {
    const kind = (thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'not-found' : 'unreadable';
    return fail(problem(kind, `The configuration ${configFile} cannot be read: ${causeOf(thrown)}.`));
  } finally {
    await handle?.close();
  }
}
