// From a profile and what people approved to the manifest of one member. Same input, same manifest, byte for byte.
import type { Mode, Sight } from '../../model/application.ts';
import type { Manifest, ManifestDiff, ManifestEntry, Provenance } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import type { RetiredEntry } from '../../model/retirement.ts';
import type { Rule } from '../../model/rule.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { type Implied, directoryServices } from './directory-services.ts';
import { inOrder } from './order.ts';
import { widenDrawnPorts } from './drawn-ports.ts';
import { widenOpenCallers } from './open-callers.ts';
import { widenRemoteProcedures } from './remote-procedures.ts';
import { withoutOrphans } from './orphans.ts';
import { takeOutRetired } from './retired.ts';
import { windowsCallers } from './windows-callers.ts';

export interface DraftInput {
  readonly profile: Profile;
  readonly scope: string;
  readonly service: string;
  readonly vm: string;
  readonly vmName: string;
  readonly mode: Mode;
  /** Default: sweeps. */
  readonly sight?: Sight;
  readonly orders: readonly Rule[];
  readonly generation: number;
  readonly issuedAt: string;
  /** Entries that people or declarations added; they keep their provenance where learning found the same. */
  readonly approved: readonly ManifestEntry[];
  /** Ids of learned entries that wait for a person (hold.ts); left out = none do. */
  readonly held?: ReadonlySet<string>;
  /** Entries that people retired; left out = none. */
  readonly retired?: readonly Pick<RetiredEntry, 'entry' | 'at'>[];
}

export function draft(input: DraftInput): Manifest {
  const entries = new Map<string, ManifestEntry>();
  const known = withoutOrphans(believed(input));
  for (const implied of [...directoryServices(known), ...windowsCallers(known)]) {
    const entry = knowledgeEntry(implied);
    entries.set(entry.id, entry);
  }
  for (const entry of widened(known)) {
    const learned = entryOf(entry);
    const same = entries.get(learned.id);
    const isLearned = same?.provenance.kind === 'learned';
    entries.set(learned.id, isLearned ? bothLearned(same, learned) : learned);
  }
  takeOutRetired(entries, input.retired ?? [], known);
  for (const entry of input.approved) {
    const same = entries.get(entry.id);
    if (same === undefined || outweighs(entry.provenance, same.provenance)) entries.set(entry.id, entry);
  }
  const { vm, vmName, scope, service, mode, sight = 'sweeps', generation, issuedAt } = input;
  return {
    format: 'plumbline.manifest/1',
    vm,
    vmName,
    scope,
    service,
    mode,
    // Left out where it says nothing new, so that a manifest of an older manager is the same one.
    ...(sight === 'sweeps' ? {} : { sight }),
    generation,
    issuedAt,
    entries: inOrder([...entries.values()]),
    orders: [...input.orders],
  };
}

function widened(entries: readonly ProfileEntry[]): readonly ProfileEntry[] {
  return widenDrawnPorts(widenRemoteProcedures(widenOpenCallers(entries)));
}

function believed({ profile, held }: DraftInput): readonly ProfileEntry[] {
  const entries = Object.entries(profile.entries);
  return entries.flatMap(([id, entry]) => (held?.has(id) === true ? [] : [entry]));
}

function entryOf({ behaviour, count, firstAt, members }: ProfileEntry): ManifestEntry {
  const provenance: Provenance = { kind: 'learned', at: firstAt, count, members: members.length };
  return { id: behaviourId(behaviour), behaviour, provenance };
}

function knowledgeEntry({ behaviour, at }: Implied): ManifestEntry {
  return { id: behaviourId(behaviour), behaviour, provenance: { kind: 'knowledge', at } };
}

/** Two that widening made one: seen as often as both, at least on as many members as either. */
function bothLearned(a: ManifestEntry, b: ManifestEntry): ManifestEntry {
  const count = (a.provenance.count ?? 0) + (b.provenance.count ?? 0);
  const members = Math.max(a.provenance.members ?? 0, b.provenance.members ?? 0);
  const at = a.provenance.at < b.provenance.at ? a.provenance.at : b.provenance.at;
  return { ...a, provenance: { ...a.provenance, at, count, members } };
}

/** A person's or a source's word says more than having been seen; between two of them the earlier one stays. */
function outweighs(newer: Provenance, older: Provenance): boolean {
  const weight = { learned: 0, knowledge: 1, package: 2, approved: 3, declared: 4 } as const;
  return weight[newer.kind] > weight[older.kind];
}

/** What allowing an activity adds: exactly what learning would have made of it. */
export function allowEntry(activity: Activity, provenance: Provenance): ManifestEntry {
  const behaviour = behaviourOf(activity);
  return { id: behaviourId(behaviour), behaviour, provenance };
}

/** By entry id: what `b` has and `a` has not, and the other way round. */
export function diffManifests(a: Manifest, b: Manifest): ManifestDiff {
  const before = new Set(a.entries.map((entry) => entry.id));
  const after = new Set(b.entries.map((entry) => entry.id));
  return {
    added: b.entries.filter((entry) => !before.has(entry.id)),
    removed: a.entries.filter((entry) => !after.has(entry.id)),
    unchanged: b.entries.filter((entry) => before.has(entry.id)).length,
  };
}
