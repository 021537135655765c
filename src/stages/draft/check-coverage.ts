// Whether the members were watched long enough, and without gaps, for the picture to mean something.
import type { Severity } from '../../model/finding.ts';
import type { Coverage } from '../../model/profile.ts';

/** Daily jobs appear in a day, so anything shorter has surely missed some. */
const dayS = 86_400;
const lossShareMax = 0.01;

export function checkCoverage(
  coverage: readonly Coverage[],
): readonly { readonly severity: Severity; readonly note: string }[] {
  const watched = coverage.filter((each) => each.observedSeconds > 0);
  if (watched.length === 0) return [{ severity: 'serious', note: 'No member was ever watched.' }];
  const longestS = Math.max(...watched.map((each) => each.observedSeconds));
  const notes: { readonly severity: Severity; readonly note: string }[] = [];
  if (longestS < dayS)
    notes.push({
      severity: 'minor',
      note: `No member was watched for a day (the longest: ${sayDuration(longestS)}), so daily jobs are missing.`,
    });
  for (const { vm, observedSeconds, lossSeconds, missed } of coverage) {
    if (observedSeconds === 0) notes.push({ severity: 'minor', note: `Member ${vm} was never watched.` });
    if (lossSeconds > observedSeconds * lossShareMax || missed > 0)
      notes.push({
        severity: 'serious',
        note: `Member ${vm}: for ${sayDuration(lossSeconds)} something may have gone unseen${missed > 0 ? `, ${missed} events are known to be missing` : ''}.`,
      });
  }
  return notes;
}

function sayDuration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
