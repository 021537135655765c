// Entries that nobody uses any more: shown, and taken out when a person names them.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Client } from '../../client/connect.ts';
import type { Retired, Retirement } from '../../model/retirement.ts';
import { printRetired, printRetirement } from '../print/retirement.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { parseServiceName } from './service-name.ts';

export const retireVerbs: readonly Verb[] = [
  {
    words: 'manifest retire <scope>',
    says: 'List entries that nobody uses any more and what would alarm without them; with --entry or --all take them out',
    group: 'Learn',
    options: [
      { flags: '--service <service>', says: 'only this service' },
      { flags: '--entry <unused>', says: 'retire this entry', repeats: true },
      { flags: '--all', says: 'retire all that are listed' },
      { flags: '--preview', says: 'say what that would do, change nothing' },
      { flags: '--after <days>', says: 'not used for so many days at least (30)' },
      { flags: '--replay <days>', says: 'hold so many days of what is kept against the manifests without them (90)' },
    ],
    async run(run, words) {
      const asked = askedBy(words);
      if (!asked.ok) return asked;
      const isAll = words.flag('all');
      const names = words.list('entry');
      if (isAll && names.length > 0)
        return fail(problem('usage', '--all and --entry cannot be meant together.', 'Leave one of them out.'));
      const proposed = await run.ask((manager) => manager.unusedEntries(asked.value));
      if (!isAll && names.length === 0) return answer(proposed, printRetirement);
      const chosen = proposed.ok ? chosenOf(proposed.value, isAll ? null : names) : proposed;
      if (!chosen.ok) return chosen;
      const { service: _, ...terms } = asked.value;
      const retired = await run.ask(
        async (manager) => await retire(manager, terms, chosen.value, words.flag('preview')),
      );
      return answer(retired, (all, page) => all.map((each) => printRetired(each, page)).join('\n'));
    },
  },
];

interface Asked {
  readonly scope: string;
  readonly service?: string;
  readonly afterDays?: number;
  readonly replayDays?: number;
}

function askedBy(words: Words): Result<Asked> {
  const scope = words.text('scope');
  const after = daysOf(words, 'after');
  if (!after.ok) return after;
  const replay = daysOf(words, 'replay');
  if (!replay.ok) return replay;
  const named = words.maybe('service');
  // Completion offers services with their scope before them.
  const place = named?.includes('/') === true ? parseServiceName(named) : ok({ scope, service: named });
  if (!place.ok) return place;
  if (place.value.scope !== scope) return fail(problem('usage', `${named} is no service of ${scope}.`));
  const { service } = place.value;
  return ok({
    scope,
    ...(service === undefined ? {} : { service }),
    ...(after.value === null ? {} : { afterDays: after.value }),
    ...(replay.value === null ? {} : { replayDays: replay.value }),
  });
}

function daysOf(words: Words, option: string): Result<number | null> {
  const text = words.maybe(option);
  if (text === undefined) return ok(null);
  if (/^[1-9]\d{0,2}$/.test(text)) return ok(Number(text));
  return fail(problem('usage', `--${option} takes a number of days, not "${text}".`, 'Write it as 30.'));
}

type Chosen = ReadonlyMap<string, readonly string[]>;

/** Ids by service; `names` are ids or their beginnings, null = all. */
function chosenOf({ scope, services }: Retirement, names: readonly string[] | null): Result<Chosen> {
  const ids = services.flatMap(({ service, unused }) => unused.map(({ entry }) => ({ service, id: entry.id })));
  const see = `See \`plumbline manifest retire ${scope}\`.`;
  if (ids.length === 0) return fail(problem('not-found', `No entry of ${scope} is unused.`, see));
  for (const name of names ?? []) {
    const meant = new Set(ids.flatMap(({ id }) => (id.startsWith(name) ? [id] : [])));
    if (meant.size === 0) return fail(problem('not-found', `No unused entry of ${scope} begins with ${name}.`, see));
    if (meant.size > 1)
      return fail(problem('usage', `${meant.size} entries begin with ${name}.`, 'Write more of the id.'));
  }
  const chosen = ids.filter(({ id }) => names === null || names.some((name) => id.startsWith(name)));
  const byService = Map.groupBy(chosen, ({ service }) => service);
  return ok(new Map([...byService].map(([service, some]) => [service, some.map(({ id }) => id)])));
}

async function retire(manager: Client, terms: Asked, chosen: Chosen, preview: boolean): Promise<Result<Retired[]>> {
  const retired: Retired[] = [];
  for (const [service, entries] of chosen) {
    const asked = { ...terms, service, entries: [...entries], ...(preview ? { preview } : {}) };
    const done = await manager.retireEntries(asked);
    if (!done.ok) return done;
    retired.push(done.value);
  }
  return ok(retired);
}
