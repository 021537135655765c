// Learning in ten steps: what each predicted of the next one, what then came, and how many false alarms it would have cost to
// stop there.
import type { Activity } from '../model/observation.ts';
import type { Profile } from '../model/profile.ts';
import { canonicalJson } from '../kit/canonical-json.ts';
import { deviates, forecastNew, intervalOf } from '../kit/discovery-forecast.ts';
import type { Run } from '../kit/discovery-record.ts';
import { behaviourOf } from '../pattern/behaviour-of.ts';
import { Episodes } from '../stages/learn/episodes.ts';
import { alarmGroup } from './alarm-group.ts';
import type { Judge } from './learner.ts';
import { type ProductLearner, productJudge } from './product-learner.ts';

export interface CurvePoint {
  readonly fraction: number;
  /** New behaviours expected in the next tenth; for the last point, in the harmless part that is scored. */
  readonly predictedNew: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
  /** 80 %. */
  readonly low80: number;
  readonly high80: number;
  readonly actualNew: number;
  readonly falseGroups: number;
}

export const stepsOfCurve = 10;

interface Step {
  readonly profiles: Map<string, Profile>;
  readonly runs: Map<string, readonly Run[]>;
  /** Behaviours that each subject showed for the first time since the step before. */
  readonly found: Map<string, number>;
  judge: Judge | null;
  readonly falseGroups: Set<string>;
}

export class LearningCurve {
  readonly #steps: readonly Step[] = Array.from({ length: stepsOfCurve }, () => ({
    profiles: new Map(),
    runs: new Map(),
    found: new Map(),
    judge: null,
    falseGroups: new Set(),
  }));
  /** Activities each subject learns in all. */
  readonly #totals: ReadonlyMap<string, number>;
  readonly #episodes = new Map<string, Episodes>();
  readonly #news = new Map<string, number>();
  readonly #tested = new Map<string, number>();
  readonly #testNew = new Map<string, Set<string>>();

  constructor(totals: ReadonlyMap<string, number>) {
    this.#totals = totals;
  }

  /** To be called behind each activity that was learned. */
  learned(subject: string, activity: Activity, learner: ProductLearner): void {
    const episodes = this.#episodes.get(subject) ?? new Episodes();
    this.#episodes.set(subject, episodes);
    const isNew = episodes.take(speciesOf(activity));
    this.#news.set(subject, (this.#news.get(subject) ?? 0) + (isNew ? 1 : 0));
    const total = this.#totals.get(subject) ?? 0;
    for (const [at, step] of this.#steps.entries()) {
      if (episodes.taken !== endOfStep(total, at + 1)) continue;
      step.profiles.set(subject, learner.profile(subject));
      step.runs.set(subject, episodes.runs());
      step.found.set(subject, this.#news.get(subject) ?? 0);
      this.#news.set(subject, 0);
    }
  }

  /** A harmless activity of the scored part; `subject` is whom it is judged as. */
  tested(subject: string, activity: Activity): void {
    // A machine that was never learned has no curve.
    if (!this.#totals.has(subject)) return;
    this.#tested.set(subject, (this.#tested.get(subject) ?? 0) + 1);
    const species = speciesOf(activity);
    if (this.#episodes.get(subject)?.has(species) === false) addTo(this.#testNew, subject, species);
    const group = alarmGroup(activity);
    for (const step of this.#steps) {
      if (step.falseGroups.has(group)) continue;
      step.judge ??= productJudge(step.profiles);
      const verdict = step.judge.judge(subject, activity);
      if (verdict?.risk === null || verdict === undefined) continue;
      step.falseGroups.add(group);
    }
  }

  points(): CurvePoint[] {
    return this.#steps.map((step, at) => {
      const next = this.#steps[at + 1];
      const sums = { expected: 0, variance: 0, actualNew: 0 };
      for (const [subject, runs] of step.runs) {
        const activities = next === undefined ? (this.#tested.get(subject) ?? 0) : this.#lengthOfStep(subject, at + 2);
        const { expected, variance } = forecastNew(runs, activities);
        sums.expected += expected;
        sums.variance += variance;
        sums.actualNew += next === undefined ? (this.#testNew.get(subject)?.size ?? 0) : (next.found.get(subject) ?? 0);
      }
      const wide = intervalOf(sums, deviates.ninetyFive);
      const narrow = intervalOf(sums, deviates.eighty);
      return {
        fraction: (at + 1) / stepsOfCurve,
        predictedNew: sums.expected,
        low: wide.low,
        high: wide.high,
        low80: narrow.low,
        high80: narrow.high,
        actualNew: sums.actualNew,
        falseGroups: step.falseGroups.size,
      };
    });
  }

  #lengthOfStep(subject: string, step: number): number {
    const total = this.#totals.get(subject) ?? 0;
    return endOfStep(total, step) - endOfStep(total, step - 1);
  }
}

function speciesOf(activity: Activity): string {
  return canonicalJson(behaviourOf(activity));
}

function endOfStep(total: number, step: number): number {
  return Math.max(1, Math.round((total * step) / stepsOfCurve));
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const known = sets.get(key);
  if (known === undefined) sets.set(key, new Set([value]));
  else known.add(value);
}
