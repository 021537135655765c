// Runs test files in this one process and tells what happened: failures in full as they come, one line for each file, and the
// closing line `N passed, N failed, N skipped` that a machine reads.
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';

const root = join(import.meta.dirname, '..');

export interface TestTally {
  passed: number;
  failed: number;
  skipped: number;
}

/** Test files by glob from the root; those on real guests (`*.live.test.ts`, e2e) last, so that cheap faults show first. */
export function testFiles(patterns: readonly string[]): string[] {
  const found = globSync([...patterns], {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|\.cache|dist)(\/|$)/.test(path),
  });
  const isLive = (path: string): number => (/\.live\.test\.ts$|^e2e\//.test(path) ? 1 : 0);
  return found.toSorted((a, b) => isLive(a) - isLive(b) || a.localeCompare(b)).map((path) => join(root, path));
}

interface Told {
  readonly name: string;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly details: {
    readonly type?: string | undefined;
    readonly duration_ms: number;
    readonly error?: Error & { cause?: unknown };
  };
}

/** Skips are told with their reason; in CI the caller decides whether one is a failure. */
export async function runTests(files: readonly string[], say: (line: string) => void): Promise<TestTally> {
  const tally: TestTally = { passed: 0, failed: 0, skipped: 0 };
  const seconds = new Map<string, number>();
  const startedAt = performance.now();
  let current = '';
  const stream = run({ files: [...files], isolation: 'none', concurrency: false });
  const tell = (event: Told, outcome: 'passed' | 'failed'): void => {
    if (event.details.type === 'suite') return;
    const file = event.file ? relative(root, event.file) : '?';
    if (file !== current) {
      say(`[${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s] ${file}`);
      current = file;
    }
    seconds.set(file, (seconds.get(file) ?? 0) + event.details.duration_ms / 1000);
    if (event.skip !== undefined && event.skip !== false) {
      tally.skipped += 1;
      say(`  skipped: ${event.name} (${typeof event.skip === 'string' ? event.skip : 'no reason given'})`);
      return;
    }
    tally[outcome] += 1;
    if (outcome === 'failed') say(`  FAILED: ${event.name}\n${reasonOf(event.details.error)}`);
  };
  stream.on('test:pass', (event) => tell(event as Told, 'passed'));
  stream.on('test:fail', (event) => tell(event as Told, 'failed'));
  // Without a reader the stream never ends.
  for await (const event of stream) void event;
  tellSlowest(seconds, say);
  return tally;
}

function tellSlowest(seconds: ReadonlyMap<string, number>, say: (line: string) => void): void {
  const slow = [...seconds].filter(([, s]) => s > 5).toSorted((a, b) => b[1] - a[1]);
  if (slow.length > 0)
    say(
      `slowest: ${slow
        .slice(0, 8)
        .map(([file, s]) => `${file} ${s.toFixed(0)} s`)
        .join(', ')}`,
    );
}

function reasonOf(error: (Error & { cause?: unknown }) | undefined): string {
  const cause = error?.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text
    .split('\n')
    .slice(0, 40)
    .map((line) => `    ${line}`)
    .join('\n');
}

export function closingLine(tally: TestTally): string {
  return `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`;
}
