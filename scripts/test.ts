// `npm test [-- PATTERN...]`: installs what the tests need, checks the code, runs every test, prints the closing line.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { runAll, testFiles } from './test-run.ts';
import { closingLine } from './test-tally.ts';
import { provideRequirements } from '../lab/provide-requirements.ts';

const patterns = process.argv.slice(2);
const say = (line: string): void => console.log(line);

const provided = await provideRequirements(say);
if (!provided) process.exit(1);

let checkFailed = false;
if (patterns.length === 0) {
  const check = spawnSync(process.execPath, [join(import.meta.dirname, 'check.ts')], { stdio: 'inherit' });
  checkFailed = check.status !== 0;
}

const files = testFiles(
  patterns.length > 0
    ? patterns
    : [
        'src/**/*.test.ts',
        'house/**/*.test.ts',
        'lab/**/*.test.ts',
        'bench/**/*.test.ts',
        'scripts/**/*.test.ts',
        'e2e/**/*.test.ts',
      ],
);
if (files.length === 0) {
  console.error(`No test file matches ${patterns.join(' ')}.`);
  process.exit(2);
}
const tally = await runAll({ files, soak: false, silenceMsMax: 5 * 60_000 }, say);
if (checkFailed) {
  // The closing line must not read as a success when types, lint, format or dead code are out of order.
  tally.failed += 1;
  say('FAILED: npm run check (see above)');
}
say(closingLine(tally));
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
