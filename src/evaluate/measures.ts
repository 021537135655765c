// From what was collected to the figures that are told.
import type { Detected, Measures, Poisoned } from './evaluation.ts';
import { poissonRate, wilson } from './intervals.ts';
import type { CurvePoint } from './learning-curve.ts';
import { detectionPrecisionArea, operatingPoints, precisionOf } from './operating-points.ts';
import type { RunForm, RunScore } from './run-score.ts';
import type { GroupScore, Score } from './score.ts';

export interface Circumstances {
  readonly hostDays: number;
  readonly change: Measures['change'];
  readonly poison: Poisoned | null;
  readonly eventsPerSecond: number | null;
  readonly curve: readonly CurvePoint[];
}

const hostsToldMax = 1000;

export function measuresOf(score: Score, circumstances: Circumstances): Measures {
  const { hostDays } = circumstances;
  const falseAlarmGroups = score.falseGroups.size;
  const precision = precisionOf(score);
  const groups = falseAlarmGroups + score.attackGroups.size;
  return {
    falseAlarmGroups,
    dueGroups: [...score.falseGroups.values()].filter(({ isDue }) => isDue).length,
    ...circumstances,
    falseAlarmsPerHostDay: hostDays === 0 ? null : poissonRate(falseAlarmGroups, hostDays),
    falsePer1000Starts: score.starts === 0 ? null : poissonRate(falseAlarmGroups, score.starts / 1000),
    perHost: perHost(score),
    detection: detectionOf([...score.runs.values()]),
    precision,
    precisionInterval: groups === 0 ? null : wilson(score.attackGroups.size, groups),
    adp: detectionPrecisionArea(score),
    roc: operatingPoints(score),
    timeToDetect: timeToDetect([...score.runs.values()].map(({ entry }) => entry)),
    dropped: score.dropped,
  };
}

function perHost({ hosts, falseGroups }: Score): Measures['perHost'] {
  const byHost = Map.groupBy(falseGroups.values(), ({ host }) => host);
  const told = [...hosts].sort().slice(0, hostsToldMax);
  return Object.fromEntries(
    told.map((host) => {
      const groups = byHost.get(host) ?? [];
      const newPeerGroups = groups.filter(({ isConnection }) => isConnection).length;
      return [host, { falseAlarmGroups: groups.length, newPeerGroups }];
    }),
  );
}

/** The machine with the most groups. */
export function worstHost(groups: ReadonlyMap<string, GroupScore>): number {
  const byHost = Map.groupBy(groups.values(), ({ host }) => host);
  return Math.max(0, ...[...byHost.values()].map((each) => each.length));
}

function detectionOf(runs: readonly RunScore[]): Measures['detection'] {
  const judged = runs.filter(({ entry }) => entry.judged > 0);
  const left = judged.filter(({ postEntry }) => postEntry.judged > 0);
  return {
    entry: detected(judged.map(({ entry }) => entry)),
    postEntry: detected(left.map(({ postEntry }) => postEntry)),
    argumentOnly: detected(left.filter(({ argumentOnly }) => argumentOnly).map(({ postEntry }) => postEntry)),
    excluded: judged.length - left.length,
    unjudged: runs.length - judged.length,
  };
}

function detected(forms: readonly RunForm[]): Detected | null {
  if (forms.length === 0) return null;
  const hit = forms.filter(({ risk }) => risk !== null).length;
  const { low, high } = wilson(hit, forms.length);
  return { hit, of: forms.length, low, high };
}

function timeToDetect(forms: readonly RunForm[]): Measures['timeToDetect'] {
  const found = forms.filter(({ risk }) => risk !== null);
  const events = found.map(({ eventsBefore }) => eventsBefore);
  const seconds = found.flatMap(({ startedAt, alarmAt }) =>
    startedAt === null || alarmAt === null ? [] : [Math.max(0, alarmAt - startedAt) / 1000],
  );
  return {
    eventsMedian: quantile(events, 0.5),
    eventsP95: quantile(events, 0.95),
    secondsMedian: quantile(seconds, 0.5),
    secondsP95: quantile(seconds, 0.95),
  };
}

/** The smallest value that so great a share does not exceed; null of nothing. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
