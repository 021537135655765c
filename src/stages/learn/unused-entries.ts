// Which entries of a manifest are no longer used. Not having been seen says something only for time in which a use would have been
// seen, and only beyond what the entry is known to rest anyway; what is declared or approved is nobody's habit and is never asked.
import type { Activity } from '../../model/observation.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { UnusedEntry } from '../../model/retirement.ts';
import { calendarMs } from './due-jobs.ts';

export interface UseRecord {
  readonly entry: ManifestEntry;
  readonly lastAt: string;
  /** 0 = it was used on one occasion only. */
  readonly longestGapMs: number;
  /** Since `lastAt`, of the member watched least. */
  readonly watchedSeconds: number;
  /** It was never used but while a machine started, and none has started since. */
  readonly awaitsBoot: boolean;
  /** Some of what it allowed. */
  readonly samples: readonly Activity[];
}

/** An entry rests between two uses; so many times its longest rest is no rest any more. */
const restsOf = 3;
const dayMs = 86_400_000;
/** The clocks of guests and sentinels differ, and a day is watched in pieces. */
const watchedShareMin = 0.9;

export function unusedEntries(
  records: readonly UseRecord[],
  { nowIso, afterDays }: { readonly nowIso: string; readonly afterDays: number },
): UnusedEntry[] {
  return records
    .flatMap((record) => {
      const { entry, lastAt, awaitsBoot, watchedSeconds } = record;
      if (entry.provenance.kind !== 'learned' || awaitsBoot) return [];
      const needed = neededBy(record, afterDays * dayMs);
      const passedMs = Date.parse(nowIso) - Date.parse(lastAt);
      const watchedMs = watchedSeconds * 1000;
      if (passedMs < needed.ms || watchedMs < needed.ms * watchedShareMin) return [];
      return [
        {
          entry,
          lastUsedAt: lastAt,
          quietDays: inDays(Math.min(passedMs, watchedMs)),
          neededDays: inDays(needed.ms),
          why: needed.why,
        },
      ];
    })
    .sort((a, b) =>
      a.lastUsedAt < b.lastUsedAt ? -1 : a.lastUsedAt > b.lastUsedAt ? 1 : a.entry.id < b.entry.id ? -1 : 1,
    );
}

function neededBy(
  { entry, longestGapMs, samples }: UseRecord,
  afterMs: number,
): { readonly ms: number; readonly why: string } {
  const periodMs = calendarMs([...textsOfEntry(entry), ...samples.flatMap(textsOf)]) ?? 0;
  const ms = Math.max(afterMs, restsOf * longestGapMs, restsOf * periodMs);
  if (ms === afterMs)
    return {
      ms,
      why:
        longestGapMs === 0
          ? 'it was used on one occasion only'
          : `it never rested longer than ${sayDays(longestGapMs)}`,
    };
  return periodMs >= longestGapMs
    ? { ms, why: `its calendar runs every ${sayDays(periodMs)}, and ${restsOf} of its turns passed` }
    : { ms, why: `it rested ${sayDays(longestGapMs)} at most, and ${restsOf} times as long has passed` };
}

function textsOfEntry({ behaviour }: ManifestEntry): string[] {
  return behaviour.kind === 'process' ? [behaviour.exe, behaviour.parent, ...behaviour.argv] : [behaviour.exe];
}

/** The arguments of the starter are all that names a calendar where a job is a script. */
function textsOf(activity: Activity): string[] {
  const own = [activity.image?.exe ?? '', ...(activity.image?.argv ?? [])];
  if (activity.kind !== 'process') return own;
  const { parent, ancestors } = activity;
  return [...own, parent?.exe ?? '', ...(parent?.argv ?? []), ...ancestors];
}

function inDays(ms: number): number {
  return Math.round((ms / dayMs) * 10) / 10;
}

function sayDays(ms: number): string {
  const days = inDays(ms);
  return days < 1 ? 'less than a day' : `${days} ${days === 1 ? 'day' : 'days'}`;
}
