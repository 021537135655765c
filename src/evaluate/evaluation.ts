// What an evaluation answers: the shape of docs/evaluation.md and of `plumbline evaluate --json`.
import type { InputNote } from './input-notes.ts';
import type { Rate } from './intervals.ts';
import type { CurvePoint } from './learning-curve.ts';
import type { OperatingPoint } from './operating-points.ts';

/** Runs found of those that could be; null where there are none, which is never a pass. */
export interface Detected {
  readonly hit: number;
  readonly of: number;
  readonly low: number;
  readonly high: number;
}

export interface Measures {
  readonly falseAlarmGroups: number;
  /** Those among them of a periodic job that learning had named as due. */
  readonly dueGroups: number;
  /** Time of the harmless scored part, all machines together. */
  readonly hostDays: number;
  /** Null where the recording has no clock. */
  readonly falseAlarmsPerHostDay: Rate | null;
  /** False groups for every 1,000 processes that started; null where none did. */
  readonly falsePer1000Starts: Rate | null;
  readonly perHost: Readonly<Record<string, { readonly falseAlarmGroups: number; readonly newPeerGroups: number }>>;
  /** Groups on the worst machine; null where the recording holds no change. */
  readonly change: { readonly undeclared: number; readonly declared: number; readonly afterOneAllow: number } | null;
  readonly detection: {
    readonly entry: Detected | null;
    readonly postEntry: Detected | null;
    readonly argumentOnly: Detected | null;
    /** Runs of which nothing is left in the post-entry form. */
    readonly excluded: number;
    /** Runs with no process and no connection, which nobody could judge. */
    readonly unjudged: number;
  };
  readonly precision: number | null;
  readonly precisionInterval: Rate | null;
  readonly adp: number | null;
  readonly roc: readonly OperatingPoint[];
  /** Of the runs that were found; null where none was, or no clock ran. */
  readonly timeToDetect: {
    readonly eventsMedian: number | null;
    readonly eventsP95: number | null;
    readonly secondsMedian: number | null;
    readonly secondsP95: number | null;
  };
  readonly poison: Poisoned | null;
  /** From a line of the recording to the decision; null for the naive learners, which are not measured. */
  readonly eventsPerSecond: number | null;
  /** Of the product only. */
  readonly curve: readonly CurvePoint[];
  /** Alarms beyond the limits, counted and no longer told apart. */
  readonly dropped: number;
}

export interface Poisoned {
  readonly techniques: number;
  readonly heldOrDetected: number;
  /** More false groups than without the poison. */
  readonly extraFalseGroups: number;
}

export interface EvaluationData {
  readonly files: readonly string[];
  readonly events: number;
  readonly learned: number;
  readonly hosts: number;
  readonly learnSeconds: number;
  readonly testSeconds: number;
  /** Lines and fields that were odd or could not be used. */
  readonly notes: readonly InputNote[];
}

export interface Evaluation {
  readonly product: Measures;
  readonly baselines: Readonly<Record<string, Measures>>;
  readonly data: EvaluationData;
}
