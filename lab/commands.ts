// Runs one host command to its end and says what came of it. The lab never goes through a shell on the host.
import { spawn } from 'node:child_process';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Default 5 minutes: nothing the lab runs to its end takes longer on a slow machine. */
  readonly timeoutMs?: number;
}

/** More output than this is cut: the lab reads words, not bulk. */
const outputLimitBytes = 32 * 1024 * 1024;

/** Standard output as text, or a problem quoting the last words on standard error. */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<Result<string>> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('runCommand needs a program');
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 300_000,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    let size = 0;
    let complaint = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= outputLimitBytes) out.push(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2000);
    });
    child.on('error', (thrown) => {
      resolve(
        fail(
          problem(
            'not-found',
            `${program} could not be started: ${thrown.message}.`,
            'See lab/requirements.ts for the packages the lab needs.',
          ),
        ),
      );
    });
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(ok(Buffer.concat(out).toString()));
      const ending = signal === null ? `exit ${code}` : `signal ${signal}`;
      resolve(fail(problem('failed', `${argv.join(' ').slice(0, 300)} ended with ${ending}: ${lastLines(complaint)}`)));
    });
    if (options.input !== undefined) child.stdin?.end(options.input);
  });
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' | ') || 'it said nothing';
}
