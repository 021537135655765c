// Alarms: what deviated, why it matters, and what to do about it.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { severityOrder } from '../../model/finding.ts';
import { plannedActions } from '../../model/remediation.ts';
import type { Client } from '../../client/connect.ts';
import { printAlarm, printAlarms, printAllowance, sayRemediation } from '../print/alarms.ts';
import type { Run } from '../run.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { alarmStatuses, filterOf } from './alarm-filter.ts';
import { followAlarms } from './follow-alarms.ts';
import { collect, limitOf, limitOption } from './paging.ts';

/** What a person may have done to the VM of an alarm. */
export const personsActions = plannedActions.filter((action) => action !== 'lift');

export const callOption = {
  flags: '--call <name>',
  says: 'with the action call: which of the configured calls',
} as const;

export function callNamed(words: Words): { readonly call?: string } {
  const call = words.maybe('call');
  return call === undefined ? {} : { call };
}

export const snapshotOption = {
  flags: '--snapshot <name>',
  says: 'the snapshot to go back to; only for revert',
} as const;

export function snapshotNamed(words: Words, action: string): Result<{ readonly snapshot?: string }> {
  const snapshot = words.maybe('snapshot');
  if (snapshot !== undefined) return ok({ snapshot });
  return action === 'revert'
    ? fail(problem('usage', 'Which snapshot to go back to was not said.', 'Add --snapshot NAME.'))
    : ok({});
}

export const alarmVerbs: readonly Verb[] = [
  {
    words: 'alarms',
    says: 'List what deviated, the latest first',
    group: 'Judge',
    options: [
      { flags: '--scope <scope>', says: 'of one scope' },
      { flags: '--vm <vm>', says: 'of one VM' },
      { flags: '--status <status>', says: 'open ones when left out', choices: alarmStatuses },
      { flags: '--severity <severity>', says: 'of this severity and above', choices: severityOrder },
      limitOption,
      { flags: '--follow', says: 'go on as they come; with --json one line for each' },
    ],
    async run(run, words) {
      const limit = limitOf(words);
      if (!limit.ok) return limit;
      const filter = filterOf(words);
      if (words.flag('follow')) return await run.ask((manager) => followAlarms(run, manager, filter, limit.value));
      const listed = await run.ask((manager) =>
        collect(limit.value, async (page) => await manager.listAlarms({ ...filter, ...page })),
      );
      return answer(listed, printAlarms);
    },
  },
  {
    words: 'alarm <alarm>',
    says: 'Explain an alarm: nearest allowed behaviour, what differs, reasons of the score, answers given',
    group: 'Judge',
    async run(run, words) {
      return answer(await aboutAlarm(run, words, (manager, alarm) => manager.getAlarm({ alarm })), printAlarm);
    },
  },
  {
    words: 'allow <alarm>',
    says: 'Take the behaviour of an alarm into the manifests of its service',
    group: 'Judge',
    options: [
      { flags: '--member <vm>', says: 'into the manifest of one member only' },
      { flags: '--preview', says: 'show what it would admit, change nothing' },
    ],
    async run(run, words) {
      const member = words.maybe('member');
      const how = { ...(member === undefined ? {} : { member }), ...(words.flag('preview') ? { preview: true } : {}) };
      const allowed = await aboutAlarm(run, words, (manager, alarm) => manager.allowAlarm({ alarm, ...how }));
      return answer(allowed, printAllowance);
    },
  },
  {
    words: 'close <alarm>',
    says: 'Close an alarm without allowing its behaviour; seen again, it comes back',
    group: 'Judge',
    async run(run, words) {
      const closed = await aboutAlarm(run, words, (manager, alarm) => manager.closeAlarm({ alarm }));
      return answer(closed, ({ id }) => `Closed alarm ${id}.`);
    },
  },
  {
    words: 'respond <alarm> <action>',
    says: 'Act on the VM of an alarm, or agree to the answer a rule proposed; the state is read back',
    group: 'Answer',
    choices: { action: personsActions },
    options: [
      { flags: '--without-evidence', says: 'power off without keeping anything first' },
      snapshotOption,
      { flags: '--memory-first', says: 'keep the memory in a file on its host before powering off, not a snapshot' },
      callOption,
    ],
    async run(run, words) {
      const action = words.choice('action', personsActions);
      if (action === undefined) return fail(problem('usage', 'No action was named.'));
      const evidence = words.flag('withoutEvidence') ? 'none' : words.flag('memoryFirst') ? 'memory' : 'first';
      const snapshot = snapshotNamed(words, action);
      if (!snapshot.ok) return snapshot;
      const given = await aboutAlarm(run, words, (manager, alarm) =>
        manager.respondToAlarm({
          alarm,
          action,
          evidence,
          ...callNamed(words),
          ...snapshot.value,
        }),
      );
      const said = answer(given, sayRemediation);
      return said.ok && given.ok ? ok({ ...said.value, found: given.value.state !== 'done' }) : said;
    },
  },
];

type AlarmQuestion<T> = (manager: Client, alarm: string) => Promise<Result<T>>;

/** Asks about the alarm a person named by its id or the beginning of it. */
export async function aboutAlarm<T>(run: Run, words: Words, question: AlarmQuestion<T>): Promise<Result<T>> {
  return await run.ask(async (manager) => {
    const id = await wholeId(manager, words.text('alarm'));
    return id.ok ? await question(manager, id.value) : id;
  });
}

const alarmsSearched = 20_000;

async function wholeId(manager: Client, named: string): Promise<Result<string>> {
  const exact = await manager.getAlarm({ alarm: named });
  if (exact.ok) return ok(exact.value.alarm.id);
  if (exact.error.kind !== 'not-found') return exact;
  const all = await collect(alarmsSearched, async (page) => await manager.listAlarms(page));
  if (!all.ok) return all;
  const [first, ...more] = all.value.items.filter(({ id }) => id.startsWith(named));
  if (first === undefined) return exact;
  if (more.length === 0) return ok(first.id);
  const some = [first, ...more].slice(0, 5).map(({ id }) => id);
  return fail(
    problem('usage', `${more.length + 1} alarms begin with ${named}: ${some.join(', ')}.`, 'Write more of the id.'),
  );
}
