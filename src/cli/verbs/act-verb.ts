// Acting on any VM at a person's word, with or without an alarm.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { sayRemediation } from '../print/alarms.ts';
import { printPreview } from '../print/plans.ts';
import type { Run } from '../run.ts';
import { answer, type Answer, type Verb, type Words } from '../verb.ts';
import { personsActions, snapshotNamed, snapshotOption } from './alarm-verbs.ts';

type PersonsAction = (typeof personsActions)[number];

export const actVerb: Verb = {
  words: 'act <vm> <action>',
  says: 'Act on any VM, through its sentinel or its platform; the state is read back',
  group: 'Answer',
  choices: { action: personsActions },
  options: [
    { flags: '--preview', says: 'show what would be done, by whom and why; change nothing' },
    { flags: '--why <text>', says: 'the reason, for the plan and the audit log' },
    snapshotOption,
    { flags: '--without-evidence', says: 'power off without keeping a snapshot first' },
  ],
  async run(run, words) {
    const action = words.choice('action', personsActions);
    if (action === undefined) return fail(problem('usage', 'No action was named.'));
    const vm = words.text('vm');
    const snapshot = snapshotNamed(words, action);
    if (!snapshot.ok) return snapshot;
    const asked = { vm, action, ...snapshot.value };
    if (words.flag('preview')) return answer(await run.ask((manager) => manager.previewAct(asked)), printPreview);
    return await act(run, words, asked);
  },
};

interface Asked {
  readonly vm: string;
  readonly action: PersonsAction;
  readonly snapshot?: string;
}

async function act(run: Run, words: Words, asked: Asked): Promise<Result<Answer>> {
  const why = words.maybe('why')?.trim() ?? '';
  if (why.length > 500) return fail(problem('usage', '--why takes 500 characters at most.'));
  const evidence = words.flag('withoutEvidence') ? 'none' : 'first';
  const given = await run.ask((manager) => manager.actOnVm({ ...asked, evidence, ...(why === '' ? {} : { why }) }));
  const said = answer(given, sayRemediation);
  return said.ok && given.ok ? ok({ ...said.value, found: given.value.state !== 'done' }) : said;
}
