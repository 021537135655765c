// `npm run evaluate [-- NAME] [--json]`: scores every named set whose recordings lie in ../shared/data, and rewrites
// docs/evaluation.md with its plots. With a NAME only that set is scored and nothing is written.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate } from '../src/evaluate/evaluate.ts';
import { type EvaluationSet, evaluationSets, recordingName } from '../src/evaluate/evaluation-sets.data.ts';
import { scoreGrouping } from '../src/evaluate/grouping.ts';
import { groupingSets } from '../src/evaluate/grouping-sets.data.ts';
import type { Poisoned } from '../src/evaluate/evaluation.ts';
import { type Evaluated, evaluationPage, evaluationPlots } from './evaluation-page.ts';
import { groupingSection, type ScoredGrouping } from './grouping-section.ts';

const root = join(import.meta.dirname, '..');
const data = join(root, '..', 'shared', 'data');
const seeds = [1, 2, 3];

const args = process.argv.slice(2);
const isJson = args.includes('--json');
const names = args.filter((arg) => !arg.startsWith('--'));
const chosen = evaluationSets.filter(({ name }) => names.length === 0 || names.includes(name));
if (chosen.length === 0) {
  console.error(`There is no set ${names.join(', ')}; there are ${evaluationSets.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}

const all: Evaluated[] = [];
const skipped: string[] = [];
for (const set of chosen) {
  if (missingOf(set).length > 0) {
    console.error(`skipped: ${set.name} (${missingOf(set).join(', ')} not in ${data})`);
    skipped.push(set.name);
    continue;
  }
  const startedAt = performance.now();
  const evaluated = await evaluateSet(set);
  all.push(evaluated);
  console.error(`${set.name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  if (isJson) console.log(JSON.stringify({ set: set.name, ...evaluated.evaluation, poisoned: evaluated.poisoned }));
}
const grouped = names.length === 0 ? await scoreGroupings() : [];
if (names.length === 0 && all.length > 0) write();

function filesOf(recordings: readonly string[]): string[] {
  return recordings.map((name) => join(data, recordingName(name)));
}

function missingOf({ learn, test }: EvaluationSet): string[] {
  return filesOf([...learn, ...test]).filter((path) => !existsSync(path));
}

async function evaluateSet(set: EvaluationSet): Promise<Evaluated> {
  const recordings = { learn: filesOf(set.learn), test: filesOf(set.test) };
  const { poison } = set;
  const poisoned: Poisoned[] = [];
  const evaluation = await mustEvaluate(recordings);
  for (const seed of poison === undefined ? [] : seeds) {
    const { product } = await mustEvaluate({ ...recordings, poison: { share: poison ?? 0, seed } });
    if (product.poison !== null) poisoned.push(product.poison);
  }
  return { set, evaluation, poisoned };
}

async function mustEvaluate(input: Parameters<typeof evaluate>[0]) {
  const evaluation = await evaluate(input);
  if (evaluation.ok) return evaluation.value;
  console.error(evaluation.error.message);
  process.exit(1);
}

async function scoreGroupings(): Promise<ScoredGrouping[]> {
  const scored: ScoredGrouping[] = [];
  for (const set of groupingSets) {
    const files = filesOf(set.files);
    if (files.some((path) => !existsSync(path))) {
      console.error(`skipped: grouping of ${set.name} (not in ${data})`);
      skipped.push(`grouping of ${set.name}`);
      continue;
    }
    const score = await scoreGrouping(set, files);
    if (!score.ok) {
      console.error(score.error.message);
      process.exit(1);
    }
    scored.push({ set, score: score.value });
    if (isJson) console.log(JSON.stringify({ grouping: set.name, ...score.value }));
  }
  return scored;
}

function write(): void {
  const plots = join(root, 'docs', 'evaluation');
  // A plot that is no longer made must not stay.
  rmSync(plots, { recursive: true, force: true });
  mkdirSync(plots, { recursive: true });
  const page = `${evaluationPage(all, skipped)}\n${groupingSection(grouped)}`;
  writeFileSync(join(root, 'docs', 'evaluation.md'), page);
  for (const evaluated of all)
    for (const [name, svg] of evaluationPlots(evaluated)) writeFileSync(join(plots, name), svg);
  console.error('docs/evaluation.md is written.');
}
