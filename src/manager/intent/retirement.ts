// Proposes entries that nobody uses any more for retirement, with what would have alarmed without them, and retires those a person
// names. Nothing is retired that was not proposed just now, and nothing by itself.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Scope, Service } from '../../model/application.ts';
import type { Activity } from '../../model/observation.ts';
import type { Retired, RetiredEntry, Retirement, ServiceRetirement, UnusedEntry } from '../../model/retirement.ts';
import type { ServiceReplay } from '../../model/scope-replay.ts';
import { admits, parseBehaviour } from '../../pattern/behaviour-pattern.ts';
import { unusedEntries } from '../../stages/learn/unused-entries.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import { hasRoomToRetire, readRetired, saveRetired } from '../store/retirements.ts';
import type { Db } from '../store/tables.ts';
import { entryGround, type EntryGround } from './entry-ground.ts';
import { issueToService } from './issue.ts';
import { replayHistory, type History } from './replay.ts';
import { theScope, theService } from './scopes.ts';

export interface RetirementTerms {
  readonly scope: string;
  readonly afterDays: number;
  readonly replayDays: number;
}

const dayMs = 86_400_000;
/** More entries than anybody will read before he decides. */
const unusedMax = 2000;

export async function proposeRetirement(
  db: Db,
  terms: RetirementTerms,
  only: string | undefined,
  nowIso: string,
): Promise<Result<Retirement>> {
  const { afterDays, replayDays } = terms;
  const scope = await theScope({ db }, terms.scope);
  if (!scope.ok) return scope;
  if (only !== undefined) {
    const named = await theService({ db }, terms.scope, only);
    if (!named.ok) return named;
  }
  const services: ServiceRetirement[] = [];
  for (const service of scope.value.services) {
    if ((only ?? service.name) !== service.name) continue;
    const proposed = await proposeForService(db, scope.value, service, terms, nowIso);
    if (!proposed.ok) return proposed;
    services.push(proposed.value);
  }
  return ok({ scope: terms.scope, afterDays, replayDays, services });
}

async function proposeForService(
  db: Db,
  scope: Scope,
  service: Service,
  terms: RetirementTerms,
  nowIso: string,
): Promise<Result<ServiceRetirement>> {
  const ground = await entryGround(db, scope, service, nowIso);
  if (!ground.ok) return ground;
  const { manifest, records, retired } = ground.value;
  const found = scope.mode === 'capture' ? [] : unusedEntries(records, { nowIso, afterDays: terms.afterDays });
  const unused = found.slice(0, unusedMax);
  const replay = await replayWithout(scope, service, ground.value, unused, terms, nowIso);
  if (!replay.ok) return replay;
  return ok({
    service: service.name,
    entries: manifest.entries.length,
    learned: manifest.entries.filter(({ provenance }) => provenance.kind === 'learned').length,
    unused,
    replay: replay.value,
    retired: [...retired],
    notes: notesOn(scope, ground.value, terms, found.length - unused.length, nowIso),
  });
}

function notesOn(
  { mode }: Scope,
  { records, watch, history }: EntryGround,
  { afterDays, replayDays }: RetirementTerms,
  more: number,
  nowIso: string,
): string[] {
  const awaiting = records.filter(({ awaitsBoot, entry }) => awaitsBoot && entry.provenance.kind === 'learned').length;
  const seconds = Math.max(
    0,
    ...Map.groupBy(watch, ({ vm }) => vm)
      .values()
      .map((days) => days.reduce((sum, day) => sum + day.seconds, 0)),
  );
  const oldest = history[0]?.observed.firstAt;
  const from = new Date(Date.parse(nowIso) - replayDays * dayMs).toISOString();
  return [
    ...(mode === 'capture'
      ? ['the scope is in capture: nothing is judged, so that no entry can be called unused']
      : []),
    ...(mode !== 'capture' && seconds * 1000 < afterDays * dayMs
      ? [`its entries' uses have been told for ${Math.floor(seconds / 8640) / 10} days only`]
      : []),
    ...(awaiting > 0
      ? [
          `what was used only while a machine started waits for the next start: ${awaiting === 1 ? '1 entry' : `${awaiting} entries`}`,
        ]
      : []),
    ...(oldest === undefined || oldest > from
      ? [
          'of what is allowed since capture one example for each entry is kept: the replay holds these against the manifest',
        ]
      : []),
    ...(more > 0 ? [`${more} more entries are unused`] : []),
  ];
}

/** What members did in the days asked about, as far as it is kept, under manifests without these entries. */
async function replayWithout(
  scope: Scope,
  service: Service,
  ground: EntryGround,
  unused: readonly UnusedEntry[],
  { replayDays }: RetirementTerms,
  nowIso: string,
): Promise<Result<ServiceReplay>> {
  const from = new Date(Date.parse(nowIso) - replayDays * dayMs).toISOString();
  const gone = unused.map(({ entry }) => entry.id);
  const kept = [...ground.history, ...examplesIn(ground)].filter(({ observed }) => observed.lastAt >= from);
  return await replayHistory(scope, service, kept, async (member) => await ground.without(gone, member));
}

function examplesIn({ uses }: EntryGround): History {
  return [...uses.values()].flatMap(({ sample, lastVm, firstAt, lastAt, count }) => {
    if (sample === null) return [];
    const activity: Activity = { ...sample, vm: lastVm, at: lastAt };
    return [{ vm: lastVm, observed: { activity, count, firstAt, lastAt } }];
  });
}

export async function retireEntries(
  seals: Seals,
  turn: Turn,
  terms: RetirementTerms & { readonly service: string; readonly entries: readonly string[]; readonly preview: boolean },
): Promise<Result<Retired>> {
  const scope = await theScope(turn, terms.scope);
  if (!scope.ok) return scope;
  const service = await theService(turn, terms.scope, terms.service);
  if (!service.ok) return service;
  const ground = await entryGround(turn.db, scope.value, service.value, turn.at);
  if (!ground.ok) return ground;
  const chosen = chosenOf(scope.value, ground.value, terms, turn.at);
  if (!chosen.ok) return chosen;
  const replay = await replayWithout(scope.value, service.value, ground.value, chosen.value, terms, turn.at);
  if (!replay.ok) return replay;
  if (!(await hasRoomToRetire(turn.db, terms.scope, terms.service, chosen.value.length)))
    return fail(
      problem(
        'refused',
        `So many entries of ${terms.scope}/${terms.service} were retired that no more can be remembered.`,
        'Capture the service anew, which drops what it does no longer.',
      ),
    );
  for (const { entry, lastUsedAt } of chosen.value)
    await saveRetired(turn.db, terms.scope, terms.service, {
      entry: entry.id,
      behaviour: entry.behaviour,
      lastUsedAt,
      by: turn.by,
      at: turn.at,
    });
  turn.detail(
    `retired: ${chosen.value.map(({ entry }) => `${entry.id.slice(0, 12)} ${entry.behaviour.exe}`).join(', ')}`,
  );
  turn.announce({ kind: 'intent', subject: `${terms.scope}/${terms.service}` });
  const reason = `${chosen.value.length} unused entries retired`;
  const issued = await issueToService(seals, turn, scope.value, service.value, reason);
  if (!issued.ok) return issued;
  return ok({
    preview: terms.preview,
    retired: chosen.value,
    replay: replay.value,
    issued: terms.preview ? [] : issued.value.map((one) => ({ ...one })),
  });
}

function chosenOf(
  { mode, name }: Scope,
  { records }: EntryGround,
  {
    entries,
    afterDays,
    service,
  }: { readonly entries: readonly string[]; readonly afterDays: number; readonly service: string },
  nowIso: string,
): Result<UnusedEntry[]> {
  if (mode === 'capture')
    return fail(
      problem(
        'refused',
        `Scope ${name} is in capture, so that none of its entries can be called unused.`,
        'Retire entries while it is in detect or protect.',
      ),
    );
  const unused = new Map(unusedEntries(records, { nowIso, afterDays }).map((each) => [each.entry.id, each]));
  const chosen: UnusedEntry[] = [];
  for (const id of new Set(entries)) {
    const found = unused.get(id);
    if (found !== undefined) {
      chosen.push(found);
      continue;
    }
    const known = records.find(({ entry }) => entry.id === id);
    const see = `See \`plumbline manifest retire ${name} --service ${service}\`.`;
    if (known === undefined)
      return fail(problem('not-found', `No manifest of ${name}/${service} has an entry ${id}.`, see));
    const { kind, by } = known.entry.provenance;
    const why =
      kind === 'learned' ? `it was last used ${known.lastAt}` : `it is ${kind}${by === undefined ? '' : ` by ${by}`}`;
    return fail(
      problem('refused', `Entry ${id.slice(0, 12)} of ${name}/${service} is not proposed for retirement: ${why}.`, see),
    );
  }
  return ok(chosen);
}

/** The retired entries that would have allowed what alarmed. */
export async function retiredBehind(db: Db, { scope, service, finding }: Alarm): Promise<RetiredEntry[]> {
  if (scope === null || service === null || finding === null) return [];
  const { activity } = finding.deviation;
  return (await readRetired(db, scope, service)).filter(({ behaviour }) => {
    if (behaviour.kind !== activity.kind) return false;
    const pattern = parseBehaviour(behaviour);
    return pattern.ok && admits(pattern.value, activity);
  });
}
