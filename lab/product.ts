// The product as a user has it: bin/plumbline, run as a process with a state directory of its own.
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = join(import.meta.dirname, '..', 'bin', 'plumbline');

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Product {
  readonly stateDir: string;
  run(...args: readonly string[]): Promise<Ran>;
  /** Runs a verb with --json and parses its answer; fails the test when the exit code is not the expected one. */
  json<T>(...args: readonly string[]): Promise<T>;
  /** Starts `plumbline up` on a free port and waits until it answers. `within`: a command that runs the one that follows its words. */
  up(within?: readonly string[]): Promise<RunningUp>;
  remove(): Promise<void>;
}

export interface RunningUp {
  readonly process: ChildProcess;
  /** What it wrote to standard error so far. */
  said(): string;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export async function makeProduct(): Promise<Product> {
  const stateDir = await mkdtemp(join(tmpdir(), 'plumbline-e2e-'));
  // Several run at once where tests do, each for guests of its own: they meet nobody else's sentinel.
  const env = { ...process.env, PLUMBLINE_STATE: stateDir, PLUMBLINE_RUN: join(stateDir, 'run'), NO_COLOR: '1' };
  const run = (...args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(bin, [...args], { env, timeout: 120_000, maxBuffer: 256 << 20 }, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, out, err });
      });
    });
  const json = async <T>(...args: readonly string[]): Promise<T> => {
    const { code, out, err } = await run(...args, '--json');
    assert.equal(code, 0, `plumbline ${args.join(' ')} ended with ${code}: ${err}`);
    return JSON.parse(out) as T;
  };
  return {
    stateDir,
    run,
    json,
    up: (within = []) => startUp(env, run, within),
    remove: () => rm(stateDir, { recursive: true, force: true }),
  };
}

async function startUp(env: NodeJS.ProcessEnv, run: Product['run'], within: readonly string[]): Promise<RunningUp> {
  const [program, ...words] = [...within, bin, 'up', '--port', '0'];
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const deadline = performance.now() + 60_000;
  while ((await run('status', '--json')).code !== 0) {
    assert.equal(child.exitCode, null, `plumbline up ended: ${said}`);
    assert.ok(performance.now() < deadline, `plumbline up did not answer within 60 s: ${said}`);
  }
  return {
    process: child,
    said: () => said,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Asks again until the answer satisfies, at most `limitMs` long; the last answer is in the failure's message. */
export async function until<T>(
  what: string,
  limitMs: number,
  ask: () => Promise<T>,
  satisfies: (answer: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (satisfies(answer)) return answer;
    assert.ok(
      performance.now() < deadline,
      `${what}: not within ${limitMs} ms; last seen ${JSON.stringify(answer ?? null).slice(0, 2000)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
