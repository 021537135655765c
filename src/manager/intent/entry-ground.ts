// What is known of how the entries of a service's manifests are used: what was learned while it was in capture, and what sentinels
// have told since.
import type { Scope, Service } from '../../model/application.ts';
import type { Manifest, ManifestEntry } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import type { RetiredEntry } from '../../model/retirement.ts';
import { ok, type Result } from '../../kit/result.ts';
import { allowingEntry, compileManifest } from '../../stages/detect/detect.ts';
import { draft } from '../../stages/draft/draft.ts';
import { restsOn } from '../../stages/draft/retired.ts';
import type { UseRecord } from '../../stages/learn/unused-entries.ts';
import { readUseWatch, readUses, type StoredUse, type WatchedDay } from '../store/entry-uses.ts';
import { readHistory } from '../store/history.ts';
import { readApprovals, readProfile } from '../store/profiles.ts';
import { readRetired } from '../store/retirements.ts';
import type { Db } from '../store/tables.ts';
import { vmById } from '../store/vms.ts';
import { withheldIds } from './draft-ground.ts';
import type { History } from './replay.ts';

export interface EntryGround {
  readonly manifest: Manifest;
  readonly records: readonly UseRecord[];
  readonly history: History;
  readonly uses: ReadonlyMap<string, StoredUse>;
  readonly watch: readonly WatchedDay[];
  readonly retired: readonly RetiredEntry[];
  /** The manifest of a member without these. */
  without(entries: readonly string[], vm: { readonly vm: string; readonly name: string }): Promise<Manifest>;
}

/** A machine that starts does what it does at no other time. */
const bootMs = 900_000;

export async function entryGround(
  db: Db,
  scope: Scope,
  service: Service,
  nowIso: string,
): Promise<Result<EntryGround>> {
  const place = { scope: scope.name, service: service.name };
  const profile = await readProfile(db, place.scope, place.service);
  const retired = await readRetired(db, place.scope, place.service);
  const held = await withheldIds(db, profile);
  const drafted = async (vm: string, vmName: string, more: readonly { entry: string; at: string }[]) =>
    draft({
      profile,
      ...place,
      vm,
      vmName,
      mode: 'detect',
      orders: [],
      generation: 1,
      issuedAt: nowIso,
      approved: await readApprovals(db, place.scope, place.service, vm),
      held,
      retired: [...retired, ...more],
    });
  const [first] = service.members;
  const manifest = await drafted(first?.vm ?? '', first?.name ?? '', []);
  const history = await readHistory(db, place);
  const occasions = occasionsOf(manifest, history);
  if (!occasions.ok) return occasions;
  const uses = await readUses(db, place);
  const watch = await readUseWatch(db, place);
  const members = service.members.map(({ vm }) => vm);
  const boots = await bootsOf(db, members);
  const learned = learnedOf(manifest, profile);
  const records = manifest.entries.map((entry) =>
    recordOf(entry, {
      rests: learned(entry),
      occasions: occasions.value.get(entry.id) ?? [],
      use: uses.get(entry.id) ?? null,
      members,
      boots,
      watch,
    }),
  );
  return ok({
    manifest,
    records,
    history,
    uses,
    watch,
    retired,
    without: async (entries, { vm, name }) =>
      await drafted(
        vm,
        name,
        entries.map((entry) => ({ entry, at: nowIso })),
      ),
  });
}

interface Occasion {
  readonly vm: string;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly activity: Activity;
}

/** Which entry allows what was done in capture. */
function occasionsOf(manifest: Manifest, history: History): Result<ReadonlyMap<string, readonly Occasion[]>> {
  const compiled = compileManifest(manifest);
  if (!compiled.ok) return compiled;
  const occasions = new Map<string, Occasion[]>();
  for (const { vm, observed } of history) {
    const entry = allowingEntry(compiled.value, observed.activity);
    if (entry === null) continue;
    const { firstAt, lastAt, activity } = observed;
    const known = occasions.get(entry);
    const occasion = { vm, firstAt, lastAt, activity };
    if (known === undefined) occasions.set(entry, [occasion]);
    else known.push(occasion);
  }
  return ok(occasions);
}

/** What was learned and stands in the manifest under its own name, or under that of a wider one. */
function learnedOf(manifest: Manifest, profile: Profile): (entry: ManifestEntry) => readonly ProfileEntry[] {
  const own = new Set(manifest.entries.map(({ id }) => id));
  const widened = Object.entries(profile.entries).flatMap(([id, entry]) => (own.has(id) ? [] : [entry]));
  return ({ id, behaviour }) => {
    const same = profile.entries[id];
    return same === undefined ? restsOn(behaviour, widened) : [same];
  };
}

async function bootsOf(db: Db, members: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const boots = new Map<string, number>();
  for (const member of members) {
    const bootedAt = (await vmById(db, member))?.bootedAt ?? null;
    if (bootedAt !== null) boots.set(member, Date.parse(bootedAt));
  }
  return boots;
}

interface Known {
  readonly rests: readonly ProfileEntry[];
  readonly occasions: readonly Occasion[];
  readonly use: StoredUse | null;
  readonly members: readonly string[];
  /** When each member started last, where that is known. */
  readonly boots: ReadonlyMap<string, number>;
  readonly watch: readonly WatchedDay[];
}

const samplesMax = 20;

function recordOf(entry: ManifestEntry, known: Known): UseRecord {
  const { rests, occasions, use, members, watch } = known;
  const times = [
    ...occasions.flatMap(({ firstAt, lastAt }) => [firstAt, lastAt]),
    ...rests.map(({ lastAt }) => lastAt),
    ...(use === null ? [] : [use.firstAt]),
  ].map((time) => Date.parse(time));
  const lastMs = Math.max(Date.parse(entry.provenance.at), ...times, use === null ? 0 : Date.parse(use.lastAt));
  const showed = new Set([...rests.flatMap((rest) => rest.members), ...(use === null ? [] : [use.lastVm])]);
  const still = members.filter((member) => showed.has(member));
  const users = still.length > 0 ? still : members;
  const lastAt = new Date(lastMs).toISOString();
  return {
    entry,
    lastAt,
    longestGapMs: Math.max(use?.longestGapMs ?? 0, longestGap(times)),
    watchedSeconds: watchedSince(watch, users, lastAt),
    awaitsBoot: awaitsBoot(known, users, lastMs),
    samples: [...occasions.slice(0, samplesMax).map(({ activity }) => activity), ...(use?.sample ? [use.sample] : [])],
  };
}

function longestGap(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted.reduce((longest, time, at) => Math.max(longest, time - (sorted[at - 1] ?? time)), 0);
}

/** Of the member that was watched least; whole days only, so that what was watched before the use does not count. */
function watchedSince(watch: readonly WatchedDay[], members: readonly string[], lastAt: string): number {
  const day = lastAt.slice(0, 10);
  const seconds = new Map(members.map((member) => [member, 0]));
  for (const each of watch) {
    const before = seconds.get(each.vm);
    if (before !== undefined && each.day > day) seconds.set(each.vm, before + each.seconds);
  }
  return seconds.size === 0 ? 0 : Math.min(...seconds.values());
}

/** Whether all that is known of it happened while its machine started, and no machine has started since. */
function awaitsBoot({ occasions, use, boots }: Known, users: readonly string[], lastMs: number): boolean {
  if (users.some((user) => (boots.get(user) ?? 0) > lastMs)) return false;
  const isApart = (vm: string, at: string, activity: Activity | null): boolean => {
    // That it ran when it was first looked at does not say when it was started.
    if (activity?.kind === 'process' && activity.alreadyRunning === true) return false;
    const boot = boots.get(vm);
    // Of what was before this start nobody knows how long it was after the one before.
    return boot === undefined || Date.parse(at) > boot + bootMs;
  };
  if (occasions.some(({ vm, lastAt, activity }) => isApart(vm, lastAt, activity))) return false;
  if (use !== null) return !isApart(use.lastVm, use.lastAt, use.sample);
  // Nothing is kept but that it was seen: by whom its last use was, nobody knows any more.
  return occasions.length > 0 || users.some((user) => Math.abs(lastMs - (boots.get(user) ?? 0)) <= bootMs);
}
