// `evaluate`: how well recorded behaviour is learned and attacks in it are found, beside four naive learners.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { EvaluateInput } from '../../evaluate/evaluate.ts';
import { printEvaluation } from '../print/evaluation.ts';
import { answer, type Verb, type Words } from '../verb.ts';

export const evaluateVerb: Verb = {
  words: 'evaluate',
  says: 'Learn from recorded behaviour (NDJSON, plain or .gz), score the rest and compare with naive learners',
  group: 'Judge',
  options: [
    { flags: '--learn <file...>', says: 'recordings to learn from: their events of the role learn', required: true },
    { flags: '--test <file...>', says: 'recordings to score: the roles test, change and attack', required: true },
    { flags: '--poison <share>', says: 'mix this share of the attack runs, above 0 and up to 1, into what is learned' },
    { flags: '--seed <n>', says: 'which attack runs are mixed in; the same number, the same runs (else 1)' },
  ],
  async run({ shell }, words) {
    const input = inputOf(words);
    return input.ok ? answer(await shell.programs.evaluate(input.value), printEvaluation) : input;
  },
};

function inputOf(words: Words): Result<EvaluateInput> {
  const recordings = { learn: words.list('learn'), test: words.list('test') };
  const written = words.maybe('poison');
  const seed = words.maybe('seed');
  if (written === undefined)
    return seed === undefined
      ? ok(recordings)
      : fail(problem('usage', '--seed says which attack runs are mixed in, and none are.', 'Add --poison SHARE.'));
  const share = Number(written);
  if (!(share > 0 && share <= 1))
    return fail(problem('usage', `--poison takes a share above 0 and up to 1, not "${written}".`));
  if (seed !== undefined && !/^\d{1,9}$/.test(seed))
    return fail(problem('usage', `--seed takes a whole number of up to nine digits, not "${seed}".`));
  return ok({ ...recordings, poison: { share, seed: Number(seed ?? 1) } });
}
