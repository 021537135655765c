// How detection and false alarms move together as the threshold of the risk moves.
import type { Score } from './score.ts';

export interface OperatingPoint {
  /** What reaches it counts as an alarm. */
  readonly threshold: number;
  readonly hit: number;
  readonly falseAlarm: number;
}

const pointsMax = 200;

/**
 * Where a recording is scored in segments: the share of attacked and of harmless segments whose surprise reaches the threshold.
 * Elsewhere: the share of attack runs with an alarm of that risk, and of harmless activities that raised one.
 */
export function operatingPoints(score: Score): OperatingPoint[] {
  if (score.segments.size > 0) {
    const segments = [...score.segments.values()];
    return curve(
      segments.filter(({ isAttack }) => isAttack).map(({ surprise }) => surprise),
      segments.filter(({ isAttack }) => !isAttack).map(({ surprise }) => surprise),
      0,
    );
  }
  const runs = [...score.runs.values()].filter(({ entry }) => entry.judged > 0).map(({ entry }) => entry.risk);
  return curve(
    runs.map((risk) => risk ?? Number.NEGATIVE_INFINITY),
    score.falseRisks,
    score.judgedTest - score.falseRisks.length,
  );
}

/** `quiet` harmless ones have no value at all. */
function curve(attacks: readonly number[], harmless: readonly number[], quiet: number): OperatingPoint[] {
  if (attacks.length === 0) return [];
  // Between the values of two attacks a threshold finds no more and spares no less than at the upper one.
  const thresholds = [...new Set(attacks)].filter(Number.isFinite).sort((a, b) => a - b);
  const step = Math.max(1, thresholds.length / pointsMax);
  const kept = Array.from(
    { length: Math.min(thresholds.length, pointsMax) },
    (_, at) => thresholds[Math.floor(at * step)] ?? 0,
  );
  return kept.map((threshold) => ({
    threshold,
    hit: shareOf(attacks, threshold, 0),
    falseAlarm: shareOf(harmless, threshold, quiet),
  }));
}

function shareOf(values: readonly number[], threshold: number, quiet: number): number {
  const all = values.length + quiet;
  return all === 0 ? 0 : values.filter((value) => value >= threshold).length / all;
}

/** Alarm groups of attacks among all alarm groups, false ones included; null = there were none. */
export function precisionOf(score: Score, threshold = Number.NEGATIVE_INFINITY): number | null {
  const reaching = (groups: Score['falseGroups']): number =>
    [...groups.values()].filter(({ risk }) => risk >= threshold).length;
  const right = reaching(score.attackGroups);
  const wrong = reaching(score.falseGroups);
  return right + wrong === 0 ? null : right / (right + wrong);
}

/**
 * Attack detection precision: the area under the greatest share of runs detected at each precision or better, from 0 to 1. 1 =
 * every run is found before the first false alarm; null = there is no attack.
 */
export function detectionPrecisionArea(score: Score): number | null {
  const runs = [...score.runs.values()].filter(({ entry }) => entry.judged > 0);
  if (runs.length === 0) return null;
  const thresholds = [...new Set(runs.flatMap(({ entry }) => entry.risk ?? []))];
  const points = thresholds
    .map((threshold) => ({
      precision: precisionOf(score, threshold) ?? 0,
      found: runs.filter(({ entry }) => (entry.risk ?? -1) >= threshold).length / runs.length,
    }))
    .sort((a, b) => b.precision - a.precision);
  // From high precision to low: each step down may only find more.
  let area = 0;
  let found = 0;
  let before = 0;
  for (const point of points) {
    area += found * (before - point.precision);
    before = point.precision;
    found = Math.max(found, point.found);
  }
  return area + found * before;
}
