// Completion for the shells people use: the script to load, and the hidden verb it asks at each key.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import { expectedAt, type Candidate } from '../completion/candidates.ts';
import { namesOf } from '../completion/names.ts';
import { completionScripts, shells } from '../completion/scripts.data.ts';
import { programOf } from '../grammar.ts';
import { visible } from '../print/visible.ts';
import { stateDirectoryOf } from '../state-directory.ts';
import type { Verb } from '../verb.ts';

export const completionVerb: Verb = {
  words: 'completion <shell>',
  says: 'Print the completion script for a shell: source <(plumbline completion bash)',
  group: 'Shell',
  choices: { shell: shells },
  async run(_, words) {
    const shell = words.choice('shell', shells);
    if (shell === undefined) return fail(problem('usage', 'No shell was named.'));
    return ok({ value: { shell, script: completionScripts[shell] }, text: () => completionScripts[shell] });
  },
};

/** Takes the other verbs, which it completes. */
export function completeVerb(verbs: readonly Verb[]): Verb {
  return {
    words: 'complete [word...]',
    says: 'Say what could stand at the last word',
    group: 'Shell',
    hidden: true,
    async run({ shell }, given) {
      const words = given.list('word');
      const stateAt = words.indexOf('--state');
      const stateDir = stateDirectoryOf(stateAt === -1 ? undefined : words[stateAt + 1], shell);
      const expected = expectedAt(
        programOf(verbs, () => {}),
        words,
      );
      const all =
        expected.kind === 'name'
          ? [...(expected.also ?? []), ...(await namesOf(expected.of, shell, stateDir))]
          : expected.candidates;
      const fitting = all.filter(({ value }) => value.startsWith(words.at(-1) ?? '') && value === visible(value));
      return ok({ value: fitting, text: () => fitting.map(line).join('\n') });
    },
  };
}

function line({ value, says }: Candidate): string {
  return says === undefined || says === '' ? value : `${value}\t${visible(says)}`;
}
