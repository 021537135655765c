// Entries that a person took out because nobody used them. That is no verdict about them: seen again while learning, one is in use
// again and comes back, however the learned behaviours make it up by then.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import type { RetiredEntry } from '../../model/retirement.ts';
import { parseBehaviour, subsumes } from '../../pattern/behaviour-pattern.ts';

/**
 * Takes them out of what learning made, after everything is widened: so that taking one out makes a manifest narrower and nothing
 * else. Changes `entries`.
 */
export function takeOutRetired(
  entries: Map<string, ManifestEntry>,
  retired: readonly Pick<RetiredEntry, 'entry' | 'at'>[],
  learned: readonly ProfileEntry[],
): void {
  for (const { entry: id, at } of retired) {
    const entry = entries.get(id);
    if (entry?.provenance.kind === 'learned' && !isLearnedSince(entry.behaviour, at, learned)) entries.delete(id);
  }
}

function isLearnedSince(behaviour: Behaviour, at: string, learned: readonly ProfileEntry[]): boolean {
  const later = learned.filter(({ lastAt }) => Date.parse(lastAt) > Date.parse(at));
  return restsOn(behaviour, later).length > 0;
}

/** Those of the learned behaviours that an entry admits. */
export function restsOn<T extends Pick<ProfileEntry, 'behaviour'>>(behaviour: Behaviour, learned: readonly T[]): T[] {
  const wide = parseBehaviour(behaviour);
  if (!wide.ok) return [];
  return learned.filter(({ behaviour: each }) => {
    if (each.kind !== behaviour.kind) return false;
    const narrow = parseBehaviour(each);
    return narrow.ok && subsumes(wide.value, narrow.value);
  });
}
