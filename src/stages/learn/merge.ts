// Several profile entries as one: counts add up, times span, members unite. Commutative and associative, on which the
// independence of learning from order rests.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';

export function mergeEntries(
  behaviour: Behaviour,
  entries: readonly [ProfileEntry, ...(readonly ProfileEntry[])],
): ProfileEntry {
  const [first, ...others] = entries;
  let { count, firstAt, lastAt } = first;
  for (const entry of others) {
    count += entry.count;
    if (isBefore(entry.firstAt, firstAt)) firstAt = entry.firstAt;
    if (isBefore(lastAt, entry.lastAt)) lastAt = entry.lastAt;
  }
  const members = [...new Set(entries.flatMap((entry) => entry.members))].sort();
  return { behaviour, count, firstAt, lastAt, members };
}

/** Times come with different precision, so they do not compare as texts; the text decides between equal ones. */
function isBefore(a: string, b: string): boolean {
  const difference = Date.parse(a) - Date.parse(b);
  return difference === 0 ? a < b : difference < 0;
}
