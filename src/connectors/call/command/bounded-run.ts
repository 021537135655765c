// Runs one program in a process group of its own, with what it is given on standard input and nothing else: a clean
// environment, no shell, a time limit after which the whole group is asked to end and then made to, output that is bounded.
import { spawn, type ChildProcess } from 'node:child_process';

export interface BoundedRun {
  readonly argv: readonly string[];
  readonly input: string;
  readonly timeoutMs: number;
  /** Between the request to end and the end. */
  readonly graceMs: number;
  readonly outputBytesMax: number;
  readonly signal: AbortSignal;
}

export interface RunEnd {
  /** ended = by itself; late = it was ended after its time; stopped = we were; unstarted = it never ran. */
  readonly how: 'ended' | 'late' | 'stopped' | 'unstarted';
  readonly code: number | null;
  readonly killedBy: string | null;
  /** Standard output and error as they came, the first of it. */
  readonly output: string;
  readonly outputBytes: number;
}

/** After the program has ended, somebody who left its group may hold its output open for ever. */
const drainMs = 100;

/** Never throws. Resolves when the program has ended and its group was ended with it. */
export async function runBounded(run: BoundedRun): Promise<RunEnd> {
  const [program = '', ...args] = run.argv;
  const { promise, resolve } = Promise.withResolvers<RunEnd>();
  const chunks: Buffer[] = [];
  let outputBytes = 0;
  let kept = 0;
  let how: RunEnd['how'] = 'ended';
  const hear = (chunk: Buffer): void => {
    outputBytes += chunk.length;
    const part = chunk.subarray(0, run.outputBytesMax - kept);
    if (part.length > 0) chunks.push(part);
    kept += part.length;
  };
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const finish = (code: number | null, killedBy: string | null): void => {
    clearTimeout(asking);
    clearTimeout(forcing);
    run.signal.removeEventListener('abort', stop);
    // Whoever stays behind in the group was part of it.
    signalGroup(child, 'SIGKILL');
    setTimeout(() => {
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      resolve({ how, code, killedBy, output: Buffer.concat(chunks).toString(), outputBytes });
    }, drainMs);
  };
  let forcing: NodeJS.Timeout | undefined;
  const endGroup = (as: RunEnd['how']): void => {
    if (how !== 'ended') return;
    how = as;
    signalGroup(child, 'SIGTERM');
    forcing = setTimeout(() => signalGroup(child, 'SIGKILL'), run.graceMs);
  };
  const stop = (): void => endGroup('stopped');
  const asking = setTimeout(() => endGroup('late'), run.timeoutMs);
  run.signal.addEventListener('abort', stop, { once: true });
  if (run.signal.aborted) stop();
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  // A program that ends without reading is known by how it ended.
  child.stdin.on('error', () => undefined);
  child.on('error', (thrown) => {
    if (child.pid !== undefined) return;
    how = 'unstarted';
    hear(Buffer.from(thrown.message));
    finish(null, null);
  });
  child.once('exit', finish);
  child.stdin.end(run.input);
  return await promise;
}

/** Its process id names the group as long as anybody is in it; with nobody in it there is nothing to signal. */
function signalGroup({ pid }: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is in it any more.
  }
}
