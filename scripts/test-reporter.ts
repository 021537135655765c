// Node's test events as lines a person reads, and at the very end the tally as JSON for the process that started the run.
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { tallyPrefix, type TestTally } from './test-tally.ts';

const root = `${import.meta.dirname}/..`;

interface Told {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly details: {
    readonly type?: string | undefined;
    readonly duration_ms: number;
    readonly error?: Error & { cause?: unknown };
  };
}

// Node takes a reporter only as a module's default export.
// oxlint-disable-next-line import/no-default-export
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const tally: TestTally = { passed: 0, failed: 0, skipped: 0 };
  const files = new Map<string, number>();
  const tests = new Map<string, number>();
  const startedAt = performance.now();
  let current = '';
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const told = data as Told;
    const file = told.file === undefined ? '?' : relative(root, told.file);
    const took = told.details.duration_ms / 1000;
    // A suite's time has that of its hooks in it.
    if (told.nesting === 0) files.set(file, (files.get(file) ?? 0) + took);
    if (told.details.type === 'suite') continue;
    tests.set(`"${told.name}" (${file})`, took);
    if (file !== current) yield `[${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s] ${file}\n`;
    current = file;
    yield outcomeOf(told, file, type === 'test:pass', tally);
  }
  yield slowest('files', files);
  yield slowest('tests', tests);
  yield `${tallyPrefix}${JSON.stringify(tally)}\n`;
}

function outcomeOf(told: Told, file: string, passed: boolean, tally: TestTally): string {
  if (told.skip !== undefined && told.skip !== false) {
    tally.skipped += 1;
    return `  skipped: ${told.name} (${typeof told.skip === 'string' && told.skip !== '' ? told.skip : 'no reason given'})\n`;
  }
  tally[passed ? 'passed' : 'failed'] += 1;
  // Another run's lines may stand between this and the file's own.
  return passed ? '' : `  FAILED: ${told.name} (${file})\n${reasonOf(told.details.error)}\n`;
}

function slowest(what: string, seconds: ReadonlyMap<string, number>): string {
  const slow = [...seconds].filter(([, s]) => s > 5).toSorted((a, b) => b[1] - a[1]);
  if (slow.length === 0) return '';
  const lines = slow.slice(0, 20).map(([name, s]) => `  ${s.toFixed(0).padStart(4)} s  ${name}\n`);
  return `slowest ${what}:\n${lines.join('')}`;
}

function reasonOf(error: (Error & { cause?: unknown }) | undefined): string {
  const cause = error?.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : JSON.stringify(cause);
  return text
    .split('\n')
    .slice(0, 40)
    .map((line) => `    ${line}`)
    .join('\n');
}
