// `npm run soak -- NAME [--json]`: the same test files at the full counts; NAME is a part of a test file's path.
import { runTests, testFiles } from './test-run.ts';
import { closingLine } from './test-tally.ts';
import { provideRequirements } from '../lab/provide-requirements.ts';

const args = process.argv.slice(2);
const isJson = args.includes('--json');
const names = args.filter((arg) => !arg.startsWith('--'));
const say = (line: string): void => console.error(line);

if (!(await provideRequirements(say))) process.exit(1);
const all = testFiles(['src/**/*.test.ts', 'house/**/*.test.ts', 'lab/**/*.test.ts', 'e2e/**/*.test.ts']);
const files = names.length === 0 ? all : all.filter((path) => names.some((name) => path.includes(name)));
if (files.length === 0) {
  console.error(`No test file's path contains ${names.join(' or ')}.`);
  process.exit(2);
}
const startedAt = performance.now();
const tally = await runTests({ files, soak: true, silenceMsMax: 60 * 60_000 }, say);
const seconds = Math.round((performance.now() - startedAt) / 1000);
console.log(isJson ? JSON.stringify({ soak: names.join(' ') || 'all', seconds, ...tally }) : closingLine(tally));
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
