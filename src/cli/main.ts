// The program `plumbline`: ties the command line to this process. The only place of the room that knows `process`.
import { readFile, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { text as textOf } from 'node:stream/consumers';
import { isatty } from 'node:tty';
import { exitCodes, problem, type Problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import { connectManager, consoleLink } from './connect-manager.ts';
import { realPrograms } from './real-programs.ts';
import { runCommandLine } from './run.ts';
import type { Output, Shell } from './shell.ts';
import { verbs } from './verbs/verbs.ts';

const stop = new AbortController();
const ask = (): void => stop.abort();
process.on('SIGINT', ask);
process.on('SIGTERM', ask);
// The terminal was closed.
process.on('SIGHUP', ask);
// bin/plumbline stands between the user and this process; when it is gone, nobody can stop us any more.
process.on('disconnect', ask);
process.channel?.unref();

// `plumbline alarms | head` is no mistake: when nobody reads on, there is nothing left to say.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : exitCodes.failed));

const shell: Shell = {
  env: process.env,
  user: { name: userName(), uid: process.getuid?.() ?? -1, home: homedir() },
  out: outputOf(process.stdout),
  err: outputOf(process.stderr),
  stop: stop.signal,
  programs: realPrograms,
  connect: connectManager,
  consoleLink,
  readText,
};

end(await runCommandLine(process.argv.slice(2), shell, verbs));
/** Idle connections and the channel to bin/plumbline would keep the process for a while; bin/plumbline sees to it that it ends. */
function end(code: number): void {
  if (process.send === undefined) process.exit(code);
  process.send({ endsWith: code }, () => process.exit(code));
}

function outputOf(stream: NodeJS.WriteStream & { readonly fd: number }): Output {
  return {
    write: (text) => void stream.write(text),
    isTerminal: isatty(stream.fd),
    get width() {
      return isatty(stream.fd) ? stream.columns : null;
    },
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A uid without an entry in passwd(5), as containers have.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

async function readText(path: string): Promise<Result<string>> {
  const bytesMax = 256 * 1024 * 1024;
  try {
    if (path === '-') return ok(await textOf(process.stdin));
    const { size } = await stat(path);
    if (size > bytesMax) return fail(problem('unreadable', `${path} is larger than ${bytesMax} bytes.`));
    return ok(await readFile(path, 'utf8'));
  } catch (thrown) {
    return fail(unreadable(path, thrown as NodeJS.ErrnoException));
  }
}

function unreadable(path: string, { code }: NodeJS.ErrnoException): Problem {
  if (code === 'ENOENT' || code === 'ENOTDIR') return problem('not-found', `There is no file ${path}.`);
  if (code === 'EACCES' || code === 'EPERM')
    return problem(
      'refused',
      `${path} may not be read by this account.`,
      'Use an account that may, or change its owner.',
    );
  if (code === 'EISDIR') return problem('unreadable', `${path} is a directory.`, 'Name a file.');
  return problem('unreadable', `${path} cannot be read (${code ?? 'unknown error'}).`);
}
