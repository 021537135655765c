// How complete a picture is, and what speaks against freezing it. Pure: the numbers come in, the judgement goes out.
import type { EntryCounts, Completeness } from '../../model/learning.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { Profile } from '../../model/profile.ts';
import { dueJobs } from '../../stages/learn/due-jobs.ts';
import { outliersOf } from '../../stages/learn/outliers.ts';

/** Above this share of lost time a capture is lossy: it may have missed what happens once a day. */
export const lossShareMax = 0.05;
const quietSeconds = 60;

/** What forbids freezing altogether, what forbids it unless forced, and what is merely worth knowing. */
export interface Verdict {
  readonly completeness: Completeness;
  readonly nothingLearned: boolean;
  readonly lossy: boolean;
}

/** `held` = how many of the learned entries wait for a person. */
export function judgeCapture(
  profile: Profile,
  approved: readonly ManifestEntry[],
  held: number,
  nowIso: string,
): Verdict {
  const learned = Object.values(profile.entries);
  const entries = learned.length + approved.length;
  const sum = (pick: (coverage: Profile['coverage'][number]) => number) =>
    profile.coverage.reduce((total, coverage) => total + pick(coverage), 0);
  const observedSeconds = sum((coverage) => coverage.observedSeconds);
  const lossSeconds = sum((coverage) => coverage.lossSeconds);
  const missed = sum((coverage) => coverage.missed);
  const lastNewAt = learned.reduce<string | null>(
    (latest, entry) => (latest === null || entry.firstAt > latest ? entry.firstAt : latest),
    null,
  );
  const nothingLearned = entries <= held;
  const lossy = observedSeconds === 0 || lossSeconds > observedSeconds * lossShareMax;
  const doubts = [
    ...(nothingLearned ? ['nothing was learned'] : []),
    ...(observedSeconds === 0 ? ['its members were never watched'] : []),
    ...(observedSeconds > 0 && lossy
      ? [`${seconds(lossSeconds)} of ${seconds(observedSeconds)} watched may have missed something`]
      : []),
    ...(held > 0 ? [`${held} of the learned entries are doubtful and wait for a person`] : []),
    ...outliersOf(profile).map(
      ({ vm, disagreement, alone }) =>
        `member ${vm} differs from the others by ${Math.round(disagreement * 100)} %: what only it does (${alone.length} entries) waits`,
    ),
    ...(missed > 0 ? [`${missed} observations are known to be missing`] : []),
    ...dueJobs(profile).map(
      ({ place, period, because }) =>
        `the jobs of ${place}, every ${period}, are due: ${because} ran, they did not yet`,
    ),
    ...(lastNewAt !== null && secondsBetween(lastNewAt, nowIso) < quietSeconds
      ? [`something new appeared ${seconds(Math.max(0, secondsBetween(lastNewAt, nowIso)))} ago`]
      : []),
  ];
  return {
    completeness: { entries, observedSeconds, lossSeconds, missed, held, lastNewAt, doubts },
    nothingLearned,
    lossy,
  };
}

export function countEntries(profile: Profile): EntryCounts {
  const counts = { process: 0, outbound: 0, inbound: 0, listen: 0 };
  for (const { behaviour } of Object.values(profile.entries)) counts[behaviour.kind] += 1;
  return counts;
}

function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

function seconds(count: number): string {
  return count < 120 ? `${Math.round(count)} s` : `${Math.round(count / 60)} min`;
}
