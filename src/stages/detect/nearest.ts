// The allowed behaviour that comes nearest to a deviation: first among those of the same executable, then of the same parent or
// port. The search is bounded; what it finds explains, and decides nothing.
import type { Deviation } from '../../model/deviation.ts';
import type { Activity } from '../../model/observation.ts';
import { matchesPath } from '../../pattern/path-pattern.ts';
import { costOf, differencesBetween } from './differences.ts';
import { type CompiledEntry, type EntryIndex, withExe, withParent, withPort } from './entry-index.ts';

/** Entries compared in one search. */
const comparedMax = 512;

export function nearestEntry(index: EntryIndex, activity: Activity): Deviation['nearest'] {
  const entry =
    cheapest(namesExe(withExe(index, activity), activity.image?.exe ?? null), activity) ??
    cheapest(activity.kind === 'process' ? withParent(index, activity) : withPort(index, activity), activity);
  if (entry === null) return null;
  return {
    entry: entry.id,
    behaviour: entry.behaviour,
    differences: differencesBetween(entry.pattern, activity),
  };
}

/** An entry for any executable is not nearer for having that in common. */
function* namesExe(entries: Iterable<CompiledEntry>, exe: string | null): Generator<CompiledEntry> {
  for (const entry of entries) {
    const pattern = entry.pattern.exe;
    if (pattern !== '?' && matchesPath(pattern, exe)) yield entry;
  }
}

function cheapest(entries: Iterable<CompiledEntry>, activity: Activity): CompiledEntry | null {
  let best: CompiledEntry | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  let compared = 0;
  for (const entry of entries) {
    if (compared >= comparedMax) break;
    compared += 1;
    const cost = costOf(entry.pattern, activity);
    if (cost < bestCost) {
      best = entry;
      bestCost = cost;
    }
  }
  return best;
}
