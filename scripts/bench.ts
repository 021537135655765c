// `npm run bench -- NAME [--json]`: runs bench/NAME.bench.ts and prints its one object, as JSON or as a table.
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BenchReport } from '../bench/measure.ts';
import { provideRequirements } from '../lab/provide-requirements.ts';

const folder = join(import.meta.dirname, '..', 'bench');
const names = globSync('*.bench.ts', { cwd: folder }).map((file) => basename(file, '.bench.ts'));
const args = process.argv.slice(2);
const name = args.find((arg) => !arg.startsWith('--'));

if (name === undefined || !names.includes(name)) {
  console.error(`Usage: npm run bench -- NAME [--json]; NAME is one of ${names.join(', ')}.`);
  process.exit(2);
}
if (!(await provideRequirements((line) => console.error(line)))) process.exit(1);
const { bench } = (await import(join(folder, `${name}.bench.ts`))) as {
  bench: (say: (line: string) => void) => Promise<BenchReport>;
};
const result = await bench((line) => console.error(line));
console.log(args.includes('--json') ? JSON.stringify(result) : asTable(result));
process.exit(0);

function asTable({ name, machine, figures, ratios }: BenchReport): string {
  const rows = Object.entries(figures).map(
    ([key, f]) =>
      `  ${key.padEnd(24)} ${String(f.value).padStart(10)} ${f.unit.padEnd(8)} ${f.min} .. ${f.max} in ${f.runs} runs`,
  );
  const lines = Object.entries(ratios).map(([key, value]) => `  ${key.padEnd(24)} ${String(value).padStart(10)} x`);
  return [
    `${name} on ${machine.cores} x ${machine.cpu}, ${machine.memory}, Node ${machine.node}, load ${machine.load}`,
    ...rows,
    ...lines,
  ].join('\n');
}
