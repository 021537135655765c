// Scores how well behaviour is learned and deviations are found, on recordings that say what is harmless and what is not. The
// product is asked through its own stages, next to four naive learners, by the same code (docs/evaluation.md).
import { type Result, ok } from '../kit/result.ts';
import type { Evaluation, Measures, Poisoned } from './evaluation.ts';
import { allowWorst, examine, examineChange, speedOf } from './examine.ts';
import { measuresOf, worstHost } from './measures.ts';
import { poisonedRuns } from './poison.ts';
import type { Score } from './score.ts';
import { type Recordings, type Survey, survey } from './survey.ts';
import { type Taught, productName, teach } from './teach.ts';

export interface EvaluateInput extends Recordings {
  /** Mixes this share of the attack runs into what is learned. */
  readonly poison?: { readonly share: number; readonly seed: number };
}

const secondsPerDay = 86_400;

export async function evaluate(input: EvaluateInput): Promise<Result<Evaluation>> {
  const surveyed = await survey(input);
  if (!surveyed.ok) return surveyed;
  const taught = await teach(surveyed.value, new Set());
  if (!taught.ok) return taught;
  const examined = await examine(surveyed.value, taught.value, true);
  if (!examined.ok) return examined;
  const changes = await changesOf(surveyed.value, taught.value, examined.value);
  if (!changes.ok) return changes;
  const poison = await poisonOf(input, surveyed.value, examined.value);
  if (!poison.ok) return poison;
  const eventsPerSecond = await speedOf(surveyed.value, taught.value);
  const measured = [...examined.value].map(([name, score]): [string, Measures] => [
    name,
    measuresOf(score, {
      hostDays: surveyed.value.testSeconds / secondsPerDay,
      change: changes.value.get(name) ?? null,
      poison: poison.value?.get(name) ?? null,
      eventsPerSecond: name === productName ? eventsPerSecond : null,
      curve: name === productName ? taught.value.curve.points() : [],
    }),
  ]);
  const { [productName]: product, ...baselines } = Object.fromEntries(measured);
  return ok({ product: product as Measures, baselines, data: dataOf(surveyed.value) });
}

async function changesOf(
  surveyed: Survey,
  taught: Taught,
  scores: ReadonlyMap<string, Score>,
): Promise<Result<ReadonlyMap<string, Measures['change']>>> {
  if (surveyed.changes.size === 0) return ok(new Map());
  const allowed = [...taught.judges].map(
    ([name, judge]) => [name, allowWorst(judge, scores.get(name)?.changeGroups ?? new Map(), taught)] as const,
  );
  const left = await examineChange(surveyed, taught, new Map(allowed), new Map());
  if (!left.ok) return left;
  const declared = await examineChange(surveyed, taught, taught.judges, surveyed.changes);
  if (!declared.ok) return declared;
  return ok(
    new Map(
      [...scores].map(([name, { changeGroups }]) => [
        name,
        {
          undeclared: worstHost(changeGroups),
          declared: declared.value.get(name) ?? 0,
          afterOneAllow: left.value.get(name) ?? 0,
        },
      ]),
    ),
  );
}

async function poisonOf(
  { poison }: EvaluateInput,
  surveyed: Survey,
  clean: ReadonlyMap<string, Score>,
): Promise<Result<ReadonlyMap<string, Poisoned> | null>> {
  if (poison === undefined) return ok(null);
  const poisoned = poisonedRuns(surveyed.runs, poison.share, poison.seed);
  const taught = await teach(surveyed, poisoned);
  if (!taught.ok) return taught;
  const examined = await examine(surveyed, taught.value, false);
  if (!examined.ok) return examined;
  return ok(
    new Map([...examined.value].map(([name, score]) => [name, poisonedOf(score, poisoned, clean.get(name) ?? score)])),
  );
}

/** A technique counts as found when each of its runs that were learned still raises an alarm. */
function poisonedOf(score: Score, poisoned: ReadonlySet<string>, clean: Score): Poisoned {
  const runs = [...score.runs].flatMap(([run, scored]) =>
    poisoned.has(run) && scored.entry.judged > 0 ? [scored] : [],
  );
  const techniques = Map.groupBy(runs, ({ technique }) => technique);
  return {
    techniques: techniques.size,
    heldOrDetected: [...techniques.values()].filter((each) => each.every(({ entry }) => entry.risk !== null)).length,
    extraFalseGroups: score.falseGroups.size - clean.falseGroups.size,
  };
}

function dataOf({ recordings, events, learned, hosts, learnSeconds, testSeconds, notes }: Survey): Evaluation['data'] {
  return {
    files: [...new Set([...recordings.learn, ...recordings.test])],
    events,
    learned: [...learned.values()].reduce((sum, count) => sum + count, 0),
    hosts,
    learnSeconds,
    testSeconds,
    notes,
  };
}
