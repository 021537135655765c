// Runs test files in one process of their own, which can be ended when it hangs, and passes on what it says.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tallyPrefix, type TestTally } from './test-tally.ts';

const root = join(import.meta.dirname, '..');

export interface TestRun {
  readonly files: readonly string[];
  /** The full counts instead of the seeded samples. */
  readonly soak: boolean;
  /** Ends the run when nothing was reported for so long: a synchronous loop cannot be stopped from inside. */
  readonly silenceMsMax: number;
}

/** Test files by glob from the root. */
export function testFiles(patterns: readonly string[]): string[] {
  const found = globSync([...patterns], {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|\.cache|dist)(\/|$)/.test(path),
  });
  return found.toSorted().map((path) => join(root, path));
}

/**
 * Two runs at the same time: tests on real parts of the machine (`*.live.test.ts`, e2e), which see each other's guests and therefore
 * follow one another, and all the others.
 */
export async function runAll(run: TestRun, say: (line: string) => void): Promise<TestTally> {
  const { live = [], other = [] } = Object.groupBy(run.files, (path) => (isLive(path) ? 'live' : 'other'));
  const groups = [live, other].filter((files) => files.length > 0);
  const tallies = await Promise.all(groups.map((files) => runTests({ ...run, files }, say)));
  return tallies.reduce((sum, one) => ({
    passed: sum.passed + one.passed,
    failed: sum.failed + one.failed,
    skipped: sum.skipped + one.skipped,
  }));
}

function isLive(path: string): boolean {
  return /\.live\.test\.ts$|\/e2e\/[^/]+$/.test(path);
}

/** A run that ends without telling its tally (a crash, the silence limit) counts as one more failure. */
export async function runTests(
  { files, soak, silenceMsMax }: TestRun,
  say: (line: string) => void,
): Promise<TestTally> {
  const flags = ['--test', '--test-isolation=none', '--test-force-exit', '--test-concurrency=1', '--expose-gc'];
  const reporter = `--test-reporter=${join(import.meta.dirname, 'test-reporter.ts')}`;
  const env = { ...process.env, ...(soak ? { PLUMBLINE_SOAK: '1' } : {}) };
  const child = spawn(process.execPath, [...flags, reporter, ...files], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const tally: TestTally = { passed: 0, failed: 0, skipped: 0 };
  let told = false;
  const hung = (): void => {
    say(
      `FAILED: nothing was reported for ${Math.round(silenceMsMax / 1000)} s; the run was ended. The last file named above, or the next one, hangs.`,
    );
    child.kill('SIGKILL');
  };
  let timer = setTimeout(hung, silenceMsMax);
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(timer);
    timer = setTimeout(hung, silenceMsMax);
    if (line.startsWith(tallyPrefix)) {
      Object.assign(tally, JSON.parse(line.slice(tallyPrefix.length)));
      told = true;
    } else say(line);
  }
  clearTimeout(timer);
  if (!told) tally.failed += 1;
  return tally;
}
