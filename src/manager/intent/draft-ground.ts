// What a manifest is drafted from beside what was learned: entries that may not enter it by having been learned, and the changes
// that are declared for its member now.
import { changeWindowsMax, type ChangeWindow } from '../../model/change.ts';
import type { Profile } from '../../model/profile.ts';
import { heldEntries } from '../../stages/draft/hold.ts';
import { listChanges, readDecisions } from '../store/changes.ts';
import type { Db } from '../store/tables.ts';

/** Ids of learned entries that wait for a person, or that one keeps out. */
export async function withheldIds(db: Db, profile: Profile): Promise<ReadonlySet<string>> {
  const decisions = await readDecisions(db, profile.scope, profile.service);
  const suspicious = heldEntries(profile).flatMap(({ id }) => (decisions.get(id)?.verdict === 'accepted' ? [] : [id]));
  const rejected = [...decisions].flatMap(([id, { verdict }]) => (verdict === 'rejected' ? [id] : []));
  return new Set([...suspicious, ...rejected]);
}

/** Learned entries about which nobody has decided yet. */
export async function countHeld(db: Db, profile: Profile): Promise<number> {
  const decisions = await readDecisions(db, profile.scope, profile.service);
  return heldEntries(profile).filter(({ id }) => !decisions.has(id)).length;
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
