// What a manifest is drafted from beside what was learned: entries that may not enter it by having been learned, and the changes
// that are declared for its member now.
import { changeWindowsMax, type ChangeWindow } from '../../model/change.ts';
import type { Profile } from '../../model/profile.ts';
import { heldEntries, type Held } from '../../stages/draft/hold.ts';
import { outliersOf } from '../../stages/learn/outliers.ts';
import { listChanges, readDecisions } from '../store/changes.ts';
import type { Db } from '../store/tables.ts';

/** Learned entries that are not believed by themselves: those that look like an attack, and those of a member unlike the others. */
export function doubted(profile: Profile): readonly Held[] {
  const entries = new Map(
    outliersOf(profile).flatMap(({ vm, disagreement, alone }) =>
      alone.map((id) => [
        id,
        `only ${vm} does it, which differs from its fellow members by ${Math.round(disagreement * 100)} %`,
      ]),
    ),
  );
  // That it looks like an attack says more.
  for (const { id, why } of heldEntries(profile)) entries.set(id, why);
  return [...entries].map(([id, why]) => ({ id, why }));
}

/** Ids of learned entries that wait for a person, or that one keeps out. */
export async function withheldIds(db: Db, profile: Profile): Promise<ReadonlySet<string>> {
  const decisions = await readDecisions(db, profile.scope, profile.service);
  const suspicious = doubted(profile).flatMap(({ id }) => (decisions.get(id)?.verdict === 'accepted' ? [] : [id]));
  const rejected = [...decisions].flatMap(([id, { verdict }]) => (verdict === 'rejected' ? [id] : []));
  return new Set([...suspicious, ...rejected]);
}

/** Learned entries about which nobody has decided yet. */
export async function countHeld(db: Db, profile: Profile): Promise<number> {
  const decisions = await readDecisions(db, profile.scope, profile.service);
  return doubted(profile).filter(({ id }) => !decisions.has(id)).length;
}

/** Observed changes are not among them: the sentinel that saw them keeps them itself. */
export async function declaredChanges(
  db: Db,
  place: { readonly scope: string; readonly service: string; readonly vm?: string },
  nowIso: string,
): Promise<ChangeWindow[]> {
  const open = await listChanges(db, { ...place, cause: 'declared', openAt: nowIso, limit: changeWindowsMax });
  return open.map(({ window }) => window);
}
