// Entries that wait for a person before they may stand in a manifest.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Client } from '../../client/connect.ts';
import type { Decided, EntryVerdict, HeldEntry } from '../../model/held-entry.ts';
import { printDecided, printHeldEntries } from '../print/changes.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { changeNamed } from './change-verbs.ts';
import { parseServiceName } from './service-name.ts';

const fromChange = { flags: '--change <change>', says: 'all that one change admitted' } as const;

export const heldEntryVerbs: readonly Verb[] = [
  {
    words: 'manifest held [service]',
    says: 'List entries that wait for a person: learned ones that are doubtful, and those that changes admitted',
    group: 'Learn',
    options: [{ flags: '--all', says: 'also those that were decided about' }],
    async run(run, words) {
      const service = words.maybe('service');
      const place = service === undefined ? ok({}) : parseServiceName(service);
      if (!place.ok) return place;
      const filter = { ...place.value, ...(words.flag('all') ? { decided: true } : {}) };
      return answer(await run.ask((manager) => manager.listHeld(filter)), printHeldEntries);
    },
  },
  {
    words: 'manifest accept [entry...]',
    says: 'Take entries that wait into the manifests of their service',
    group: 'Learn',
    options: [fromChange],
    run: async (run, words) =>
      answer(await run.ask((manager) => decide(manager, words, 'accepted')), (decided) => printAll(decided)),
  },
  {
    words: 'manifest reject [entry...]',
    says: 'Keep entries that wait out of the manifests, however often they are learned again',
    group: 'Learn',
    options: [fromChange],
    run: async (run, words) =>
      answer(await run.ask((manager) => decide(manager, words, 'rejected')), (decided) => printAll(decided)),
  },
];

function printAll(decided: readonly Decided[]): string {
  return decided.map(printDecided).join('\n');
}

/** One decision for each service the entries belong to. */
async function decide(manager: Client, words: Words, verdict: EntryVerdict): Promise<Result<Decided[]>> {
  const entries = await entriesNamed(manager, words);
  if (!entries.ok) return entries;
  const decided: Decided[] = [];
  for (const [, group] of Map.groupBy(entries.value, ({ scope, service }) => `${scope}/${service}`)) {
    const [first] = group;
    if (first === undefined) continue;
    const { scope, service } = first;
    const answered = await manager.decideHeld({ scope, service, entries: group.map(({ id }) => id), verdict });
    if (!answered.ok) return answered;
    decided.push(answered.value);
  }
  return ok(decided);
}

async function entriesNamed(manager: Client, words: Words): Promise<Result<HeldEntry[]>> {
  const names = words.list('entry');
  const change = words.maybe('change');
  if ((names.length === 0) === (change === undefined))
    return fail(problem('usage', 'Name the entries, or a change with --change.', 'See `plumbline manifest held`.'));
  const held = await manager.listHeld({ decided: true });
  if (!held.ok) return held;
  if (change !== undefined) {
    const named = await changeNamed(manager, change);
    if (!named.ok) return named;
    const waiting = held.value.filter((entry) => entry.change === named.value.id && entry.decision === null);
    return waiting.length > 0 ? ok(waiting) : fail(problem('not-found', `Nothing of change ${change} waits any more.`));
  }
  const entries: HeldEntry[] = [];
  for (const name of names) {
    const [first, ...more] = held.value.filter(({ id }) => id.startsWith(name));
    if (first === undefined)
      return fail(problem('not-found', `No entry ${name} waits.`, 'See `plumbline manifest held`.'));
    // The same behaviour may wait in several services: the decision is for each of them.
    if (more.some(({ id }) => id !== first.id))
      return fail(problem('usage', `${more.length + 1} entries begin with ${name}.`, 'Write more of the id.'));
    entries.push(first, ...more);
  }
  return ok(entries);
}
