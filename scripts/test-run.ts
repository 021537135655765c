// Runs test files in one process of their own, which can be ended when it hangs, and passes on what it says.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tallyPrefix, type TestTally } from './test-tally.ts';

const endingMsMax = 3000;
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
 * Two runs at the same time. A sentinel watches every guest that it sees, so tests of whole hosts share the machine with no others on
 * real guests: each run has processes of its own where root can give it that; otherwise all tests on real guests follow one another.
 */
export async function runAll(run: TestRun, say: (line: string) => void): Promise<TestTally> {
  const apart = canBeApart();
  const isFirst = apart ? isOfHosts : isOnGuests;
  const { first = [], second = [] } = Object.groupBy(run.files, (path) => (isFirst(path) ? 'first' : 'second'));
  const groups = [first, second].filter((files) => files.length > 0);
  const tallies = await Promise.all(
    groups.map(async (files) => {
      const place = apart ? placeApart() : null;
      try {
        return await runTests({ ...run, files }, say, place);
      } finally {
        place?.end();
      }
    }),
  );
  return tallies.reduce((sum, one) => ({
    passed: sum.passed + one.passed,
    failed: sum.failed + one.failed,
    skipped: sum.skipped + one.skipped,
  }));
}

function isOnGuests(path: string): boolean {
  return /\.live\.test\.ts$|\/e2e\/[^/]+$/.test(path);
}

function isOfHosts(path: string): boolean {
  return isOnGuests(path) && !/\/src\/(introspection|sensors)\//.test(path);
}

interface Place {
  /** What comes before a command for it to run there. */
  readonly prefix: readonly string[];
  readonly directory: string;
  end(): void;
}

const unshare = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;

function canBeApart(): boolean {
  return process.getuid?.() === 0 && spawnSync(unshare[0], [...unshare.slice(1), 'true']).status === 0;
}

/** Processes and temporary files that no other run sees. The shell is there to collect orphans, which process 1 has to. */
function placeApart(): Place {
  const directory = mkdtempSync(join(tmpdir(), 'pt-'));
  chmodSync(directory, 0o711);
  return {
    prefix: [...unshare, 'bash', '-c', '"$@"; exit $?', 'tests'],
    directory,
    end: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** A run that ends without telling its tally (a crash, the silence limit) counts as one more failure. */
export async function runTests(
  { files, soak, silenceMsMax }: TestRun,
  say: (line: string) => void,
  place: Place | null = null,
): Promise<TestTally> {
  const flags = ['--test', '--test-isolation=none', '--test-force-exit', '--test-concurrency=1', '--expose-gc'];
  const reporter = `--test-reporter=${join(import.meta.dirname, 'test-reporter.ts')}`;
  const env = {
    ...process.env,
    ...(soak ? { PLUMBLINE_SOAK: '1' } : {}),
    ...(place === null ? {} : { TMPDIR: place.directory }),
  };
  const [command = '', ...args] = [...(place?.prefix ?? []), process.execPath, ...flags, reporter, ...files];
  const child = spawn(command, args, {
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
      // All has been told; Node's own threads may keep it from ending (nodejs/node issue 64274).
      setTimeout(() => child.kill('SIGKILL'), endingMsMax).unref();
    } else say(line);
  }
  clearTimeout(timer);
  if (!told) tally.failed += 1;
  return tally;
}
