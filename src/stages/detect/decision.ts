// Whether a manifest allows one activity, and which entry does. A pure question of the entries: what was asked before does not count.
import type { Activity } from '../../model/observation.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { isHelper } from '../../pattern/front-ends.ts';
import { knownProgram } from '../../pattern/program.ts';
import { type EntryIndex, isWide } from './entry-index.ts';

/** The place of the entry that allows it among the manifest's, or one of the following. */
export type Decision = number;
export const deviates: Decision = -1;
/** No entry's, but allowed with the program that started it. */
const helps: Decision = -2;

export function decide(index: EntryIndex, activity: Activity): Decision {
  const same = sameEntry(index, activity);
  if (same !== deviates) return same;
  const admitting = admittingEntry(index, adopted(activity));
  if (admitting !== deviates) return admitting;
  return activity.kind === 'process' && isHelper(activity) ? helps : deviates;
}

/** What was learned comes back as the same behaviour nearly always; of several the last, which replaced the others. */
function sameEntry({ processes, sockets }: EntryIndex, activity: Activity): Decision {
  const behaviour = behaviourOf(activity);
  let last = deviates;
  for (const at of behaviour.kind === 'process' ? processes.same(behaviour) : sockets.same(behaviour))
    last = Math.max(last, at);
  return last;
}

/** The first entry that admits it. */
function admittingEntry(index: EntryIndex, activity: Activity): Decision {
  const { entries, processes, sockets } = index;
  let first = Number.POSITIVE_INFINITY;
  for (const at of activity.kind === 'process' ? processes.admitting(activity) : sockets.admitting(activity)) {
    const behaviour = entries[at]?.behaviour;
    if (behaviour !== undefined) first = Math.min(first, isWide(index, behaviour, activity) ? entries.length + at : at);
  }
  return first === Number.POSITIVE_INFINITY ? deviates : first % entries.length;
}

/**
 * A process whose parent has ended is adopted by init, and who started it can no longer be told: its parent counts as unknown.
 * Not for programs whose arguments are code, since any process can have itself adopted.
 */
function adopted(activity: Activity): Activity {
  if (activity.kind !== 'process' || !isAdopted(activity)) return activity;
  return knownProgram(activity.image.exe, activity.image.argv) === null ? { ...activity, parent: null } : activity;
}

export function isAdopted(activity: Activity): boolean {
  return activity.kind === 'process' && activity.ppid === 1;
}
