// Runs one of the host's network programs, briefly or for as long as it is needed, if need be within a VM's network namespace.
// Never through a shell. A program that runs on is ended with us.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

const outputMax = 16 * 1024 * 1024;
const patienceMs = 10_000;

/** The command as it must be started to run in that network namespace; `null` = ours. */
export function within(namespacePid: number | null, argv: readonly string[]): readonly string[] {
  return namespacePid === null ? argv : ['nsenter', `--net=/proc/${namespacePid}/ns/net`, '--', ...argv];
}

/** Standard output; a problem quotes its last words. */
export async function runProgram(argv: readonly string[], input?: string): Promise<Result<string>> {
  const [program = '', ...args] = argv;
  const { promise, resolve } = Promise.withResolvers<Result<string>>();
  const options = { maxBuffer: outputMax, timeout: patienceMs, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
  const child = execFile(program, args, options, (error, stdout, stderr) => {
    if (error === null) return resolve(ok(stdout));
    if (error.code === 'ENOENT') return resolve(fail(missing(program)));
    const said = stderr.trim().split('\n').slice(-2).join(' | ').slice(0, 500) || causeOf(error).slice(0, 200);
    resolve(fail(problem('failed', `${argv.join(' ').slice(0, 200)} failed: ${said}.`)));
  });
  // A program that ends before it has read all is known by how it ended.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input ?? '');
  return promise;
}

/** One that runs on and writes; the kernel ends it when this process ends, however it ends. */
export function startProgram(argv: readonly string[]): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  // An `error` that nobody hears would end us; whoever started it hears of the end.
  child.on('error', () => undefined);
  return child;
}

function missing(program: string) {
  return problem(
    'not-found',
    `The program ${program} is not on this host.`,
    `Install the package that has ${program}.`,
  );
}
