// What each service was seen to do: one row for each learned behaviour, so that a batch writes only what it changed.
import type { Coverage, Profile } from '../../model/profile.ts';
import type { LearningMinute } from '../../model/learning.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import { fromDoc, asDoc } from './doc.ts';
import type { Db } from './tables.ts';

/** Two weeks of minutes; older ones are forgotten. */
const curveMinutesMax = 20_160;

export async function readProfile(db: Db, scope: string, service: string): Promise<Profile> {
  const rows = await db
    .selectFrom('profileEntries')
    .select(['id', 'doc'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('id')
    .execute();
  const entries = Object.fromEntries(rows.map((row) => [row.id, fromDoc(row.doc)]));
  return { scope, service, entries, coverage: await readCoverage(db, scope, service) };
}

export async function readCoverage(db: Db, scope: string, service: string): Promise<Coverage[]> {
  return await db
    .selectFrom('coverage')
    .select(['vm', 'observedSeconds', 'lossSeconds', 'missed'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('vm')
    .execute();
}

/** Writes what differs between two states of one profile; entries are compared by identity, as pure stages leave them. */
export async function saveProfile(db: Db, before: Profile, after: Profile): Promise<void> {
  const { scope, service } = after;
  for (const [id, entry] of Object.entries(after.entries)) {
    if (before.entries[id] === entry) continue;
    const row = { kind: entry.behaviour.kind, firstAt: entry.firstAt, doc: asDoc(entry) };
    await db
      .insertInto('profileEntries')
      .values({ scope, service, id, ...row })
      .onConflict((on) => on.columns(['scope', 'service', 'id']).doUpdateSet(row))
      .execute();
  }
  const gone = Object.keys(before.entries).filter((id) => after.entries[id] === undefined);
  for (const id of gone)
    await db
      .deleteFrom('profileEntries')
      .where('scope', '=', scope)
      .where('service', '=', service)
      .where('id', '=', id)
      .execute();
  for (const coverage of after.coverage) {
    if (before.coverage.includes(coverage)) continue;
    const { vm, ...seconds } = coverage;
    await db
      .insertInto('coverage')
      .values({ scope, service, vm, ...seconds })
      .onConflict((on) => on.columns(['scope', 'service', 'vm']).doUpdateSet(seconds))
      .execute();
  }
}

export async function addToCurve(
  db: Db,
  scope: string,
  service: string,
  minute: string,
  newBehaviours: number,
  repetitions: number,
): Promise<void> {
  await db
    .insertInto('curve')
    .values({ scope, service, minute, newBehaviours, repetitions })
    .onConflict((on) =>
      on.columns(['scope', 'service', 'minute']).doUpdateSet((eb) => ({
        newBehaviours: eb('curve.newBehaviours', '+', newBehaviours),
        repetitions: eb('curve.repetitions', '+', repetitions),
      })),
    )
    .execute();
  const oldest = await db
    .selectFrom('curve')
    .select('minute')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('minute', 'desc')
    .offset(curveMinutesMax)
    .limit(1)
    .executeTakeFirst();
  if (oldest !== undefined)
    await db
      .deleteFrom('curve')
      .where('scope', '=', scope)
      .where('service', '=', service)
      .where('minute', '<=', oldest.minute)
      .execute();
}

/** The latest minutes, oldest first. */
export async function readCurve(db: Db, scope: string, service: string, most: number): Promise<LearningMinute[]> {
  const rows = await db
    .selectFrom('curve')
    .select(['minute', 'newBehaviours', 'repetitions'])
    .where('scope', '=', scope)
    .where('service', '=', service)
    .orderBy('minute', 'desc')
    .limit(most)
    .execute();
  return rows.reverse();
}

/** What people approved for a service as a whole and, when `vm` is given, for that member alone. */
export async function readApprovals(
  db: Db,
  scope: string,
  service: string,
  vm: string | null,
): Promise<ManifestEntry[]> {
  const rows = await db
    .selectFrom('approvals')
    .select('doc')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('vm', 'in', vm === null ? [''] : ['', vm])
    .orderBy('id')
    .execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function removeApproval(db: Db, scope: string, service: string, entry: string): Promise<void> {
  await db
    .deleteFrom('approvals')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('vm', '=', '')
    .where('id', '=', entry)
    .execute();
}

export async function saveApproval(
  db: Db,
  scope: string,
  service: string,
  vm: string | null,
  entry: ManifestEntry,
): Promise<void> {
  await db
    .insertInto('approvals')
    .values({ scope, service, vm: vm ?? '', id: entry.id, doc: asDoc(entry) })
    .onConflict((on) => on.columns(['scope', 'service', 'vm', 'id']).doNothing())
    .execute();
}
