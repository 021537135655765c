// What VMs did while their scope is in capture becomes the profile of their service; in any other mode nothing is learned.
import { canonicalJson } from '../../kit/canonical-json.ts';
import type { Activity, Observed } from '../../model/observation.ts';
import type { Profile } from '../../model/profile.ts';
import { digest } from '../../pattern/digest.ts';
import { discover } from '../../stages/learn/discoveries.ts';
import { belongings } from '../../stages/learn/belongings.ts';
import { cover, learn } from '../../stages/learn/learn.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm } from '../store/applications.ts';
import { readDiscoveries, readDrawn, saveDiscoveries } from '../store/discoveries.ts';
import { keepHistory } from '../store/history.ts';
import { addToCurve, readProfile, saveProfile } from '../store/profiles.ts';
import { addWatched } from '../store/vms.ts';

/** A service that showed so many behaviours is not one a person could review; more are counted as missed. */
const profileEntriesMax = 20_000;

export async function takeObserved(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const { vm, items } of batch.observed) {
    const place = await placeInCapture(turn, vm);
    if (place === null || items.length === 0) continue;
    const before = await readProfile(turn.db, place.scope, place.service);
    const learned = learn(before, vm, items);
    const after = withinLimit(before, learned) ? learned : missing(before, vm, items.length);
    if (after !== learned) desk.losses.behavioursNotLearned += items.length;
    await saveProfile(turn.db, before, after);
    await takeDiscoveries(turn, before, items);
    const kept = items.map((item) => ({ ...item, key: historyKey(item.activity) }));
    desk.losses.historyDropped += await keepHistory(turn.db, place, vm, kept);
    const fresh = Object.keys(after.entries).filter((id) => before.entries[id] === undefined).length;
    const repetitions = items.reduce((sum, item) => sum + item.count, 0);
    const minute = `${turn.at.slice(0, 16)}:00.000Z`;
    await addToCurve(turn.db, place.scope, place.service, minute, fresh, Math.max(0, repetitions - fresh));
  }
}

/** Pids, times and the ports of callers aside: they change with every run, and no manifest names them. */
function historyKey(activity: Activity): string {
  const { at: _at, pid: _pid, ...rest } = activity;
  if (rest.kind === 'process') return digest(canonicalJson({ ...rest, ppid: rest.ppid === 1 ? 1 : null }));
  if (rest.kind === 'outbound') return digest(canonicalJson({ ...rest, localPort: 0 }));
  return digest(canonicalJson(rest.kind === 'inbound' ? { ...rest, remotePort: 0 } : rest));
}

async function takeDiscoveries(turn: Turn, before: Profile, items: readonly Observed[]): Promise<void> {
  const { scope, service } = before;
  const met = belongings(before, items);
  const drawn = await readDrawn(
    turn.db,
    scope,
    service,
    met.map(({ entry }) => entry),
  );
  // An entry that others became was drawn, though not under its name.
  const batch = met.map(({ entry, count, isKnown }) => ({
    behaviour: entry,
    count,
    drawnBefore: Math.max(isKnown ? 1 : 0, drawn.get(entry) ?? 0),
  }));
  const found = discover(await readDiscoveries(turn.db, scope, service), batch);
  await saveDiscoveries(turn.db, scope, service, found.discoveries, found.drawn);
}

export async function takeCoverage(turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const coverage of batch.coverage) {
    const { vm, ...seconds } = coverage;
    await addWatched(turn.db, vm, seconds);
    const place = await placeInCapture(turn, vm);
    if (place === null) continue;
    const before = await readProfile(turn.db, place.scope, place.service);
    await saveProfile(turn.db, before, cover(before, coverage));
  }
}

async function placeInCapture(turn: Turn, vm: string): Promise<{ scope: string; service: string } | null> {
  const member = await memberOfVm(turn.db, vm);
  if (member === null) return null;
  const scope = await turn.db
    .selectFrom('scopes')
    .select('mode')
    .where('name', '=', member.scope)
    .executeTakeFirstOrThrow();
  return scope.mode === 'capture' ? { scope: member.scope, service: member.service } : null;
}

function withinLimit(before: Profile, after: Profile): boolean {
  const entries = Object.keys(after.entries).length;
  return entries <= profileEntriesMax || entries <= Object.keys(before.entries).length;
}

/** What could not be learned is a loss like any other, so that the picture does not pass for complete. */
function missing(profile: Profile, vm: string, missed: number): Profile {
  return cover(profile, { vm, observedSeconds: 0, lossSeconds: 0, missed });
}
