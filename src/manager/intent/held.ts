// Entries that wait for a person: learned ones that are doubtful, and those that a change admitted. Whoever takes one in
// answers for it by name; one that is kept out stays out, however often it is learned again.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Decided, EntryVerdict, HeldEntry } from '../../model/held-entry.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import {
  listChanges,
  readAdmitted,
  readDecisions,
  saveDecision,
  together,
  type AdmittedBehaviour,
} from '../store/changes.ts';
import { readApprovals, readProfile, removeApproval, saveApproval } from '../store/profiles.ts';
import type { Db } from '../store/tables.ts';
import { doubted } from './draft-ground.ts';
import { issueToService } from './issue.ts';
import { theScope, theService } from './scopes.ts';

/** Changes whose admitted behaviours are looked through, the latest first. */
const changesRead = 500;

interface Place {
  readonly scope: string;
  readonly service: string;
}

/** The most dangerous first. `decided` = also those about which somebody decided. */
export async function heldOfService(db: Db, place: Place, decided: boolean): Promise<HeldEntry[]> {
  const { scope, service } = place;
  const profile = await readProfile(db, scope, service);
  const decisions = await readDecisions(db, scope, service);
  const entries = new Map<string, HeldEntry>();
  for (const { id, why } of doubted(profile)) {
    const learned = profile.entries[id];
    if (learned === undefined) continue;
    const decision = decisions.get(id) ?? null;
    entries.set(id, { id, scope, service, source: 'capture', why, change: null, risk: null, ...learned, decision });
  }
  for (const entry of await admittedEntries(db, place)) {
    // What was learned and held, and then came with a change, is both; that it looks like an attack weighs more.
    if (!entries.has(entry.id)) entries.set(entry.id, { ...entry, decision: decisions.get(entry.id) ?? null });
  }
  // What was allowed in another way waits no more.
  const approved = new Set((await readApprovals(db, scope, service, null)).map(({ id }) => id));
  return [...entries.values()]
    .filter(({ id, decision }) => decided || (decision === null && !approved.has(id)))
    .sort((a, b) => (b.risk ?? 100) - (a.risk ?? 100) || (a.id < b.id ? -1 : 1));
}

async function admittedEntries(db: Db, { scope, service }: Place): Promise<Omit<HeldEntry, 'decision'>[]> {
  const changes = await listChanges(db, { scope, service, limit: changesRead });
  const byEntry = new Map<string, { admitted: AdmittedBehaviour; change: string }>();
  const order = new Map(changes.map(({ window }, i) => [window.id, i]));
  for (const { change, entry, admitted } of await readAdmitted(db, [...order.keys()])) {
    const known = byEntry.get(entry);
    const isLater = known === undefined || (order.get(change) ?? 0) < (order.get(known.change) ?? 0);
    byEntry.set(entry, {
      admitted: known === undefined ? admitted : together(known.admitted, admitted),
      change: isLater ? change : known.change,
    });
  }
  return [...byEntry].map(([id, { admitted, change }]) => {
    const { members, ...seen } = admitted;
    const why = `change ${change.slice(0, 8)} admitted it while its window was open`;
    return { id, scope, service, source: 'change', why, change, ...seen, members: [...members] };
  });
}

export async function decideHeld(
  seals: Seals,
  turn: Turn,
  place: Place,
  ids: readonly string[],
  verdict: EntryVerdict,
): Promise<Result<Decided>> {
  const scope = await theScope(turn, place.scope);
  if (!scope.ok) return scope;
  const service = await theService(turn, place.scope, place.service);
  if (!service.ok) return service;
  const known = new Map((await heldOfService(turn.db, place, true)).map((entry) => [entry.id, entry]));
  const entries: HeldEntry[] = [];
  const decision = { verdict, by: turn.by, at: turn.at };
  for (const id of new Set(ids)) {
    const entry = known.get(id);
    if (entry === undefined)
      return fail(
        problem(
          'not-found',
          `No entry ${id} of ${place.scope}/${place.service} waits for anybody.`,
          `See \`plumbline manifest held ${place.scope}/${place.service}\`.`,
        ),
      );
    await saveDecision(turn.db, place, id, decision);
    if (verdict === 'accepted') await saveApproval(turn.db, place.scope, place.service, null, approvalOf(entry, turn));
    else await removeApproval(turn.db, place.scope, place.service, id);
    entries.push({ ...entry, decision });
  }
  turn.detail(`${verdict}: ${entries.map(({ id, behaviour }) => `${id.slice(0, 12)} ${behaviour.exe}`).join(', ')}`);
  turn.announce({ kind: 'intent', subject: `${place.scope}/${place.service}` });
  const issued = await issueToService(seals, turn, scope.value, service.value, `${entries.length} entries ${verdict}`);
  return issued.ok ? ok({ verdict, entries, issued: issued.value }) : issued;
}

function approvalOf({ id, behaviour, count, members }: HeldEntry, { by, at }: Turn): ManifestEntry {
  return { id, behaviour, provenance: { kind: 'approved', by, at, count, members: members.length } };
}
