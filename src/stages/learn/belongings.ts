// What a batch of observations holds, by the entries of a profile it belongs to: a peer in a network that became one entry is not
// new, however new its address.
import type { Observed } from '../../model/observation.ts';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { admits, parseBehaviour } from '../../pattern/behaviour-pattern.ts';

export interface Belonging {
  /** Of the entry that admits it; of its own behaviour when none did. */
  readonly entry: string;
  readonly count: number;
  readonly isKnown: boolean;
}

/** `profile` = before the batch was learned. */
export function belongings(profile: Profile, observed: readonly Observed[]): readonly Belonging[] {
  const counts = new Map<string, Belonging>();
  for (const { activity, count } of observed) {
    const behaviour = behaviourOf(activity);
    const own = behaviourId(behaviour);
    // Processes are never pooled.
    const known =
      profile.entries[own] !== undefined
        ? own
        : behaviour.kind === 'process'
          ? null
          : (Object.entries(profile.entries).find(
              ([, entry]) =>
                entry.behaviour.kind === behaviour.kind &&
                entry.behaviour.exe === behaviour.exe &&
                doesAdmit(entry, activity),
            )?.[0] ?? null);
    const entry = known ?? own;
    counts.set(entry, { entry, count: (counts.get(entry)?.count ?? 0) + count, isKnown: known !== null });
  }
  return [...counts.values()];
}

function doesAdmit({ behaviour }: ProfileEntry, activity: Observed['activity']): boolean {
  const pattern = parseBehaviour(behaviour);
  return pattern.ok && admits(pattern.value, activity);
}
