// `npm run check`: types, pure rooms, lint, format and dead code, each by its own tool; the layer and tidy tests run with the tests.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

const steps: readonly (readonly [string, string, readonly string[]])[] = [
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ['pure rooms (no IO, no clock)', 'tsc', ['-p', 'tsconfig.pure.json']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings', '--quiet']],
  ['format', 'oxfmt', ['--check', '.']],
  ['dead code', 'knip', ['--no-progress']],
];

const failed = steps.filter(([title, tool, args]) => {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync(bin(tool), args, { cwd: root, encoding: 'utf8' });
  console.error(`${status === 0 ? 'ok    ' : 'FAILED'} ${title} (${Math.round(performance.now() - startedAt)} ms)`);
  if (status !== 0) console.error(`${stdout}${stderr}`);
  return status !== 0;
});
process.exit(failed.length === 0 ? 0 : 1);
