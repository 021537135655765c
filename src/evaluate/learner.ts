// What is scored: something that learns from the activity of a machine and then judges it. The product and the naive learners
// stand behind the same two interfaces, so that the same code scores them all.
import type { Activity } from '../model/observation.ts';
import type { DeclaredChange } from '../stages/detect/change-window.ts';

export interface Learner {
  /** `subject` is whoever the behaviour is learned for: a machine, or all of them together. */
  learn(subject: string, activity: Activity): void;
  /** Nothing is learned after this. */
  freeze(): Judge;
}

export interface Verdict {
  /** 0 to 100; null = allowed. */
  readonly risk: number | null;
  /** How unusual it is, allowed or not: bits for the product, 1 or 0 for learners that only remember. */
  readonly surprise: number;
  /** It belongs to a job that was foretold before it was ever seen. */
  readonly isDue?: boolean;
}

export interface Judge {
  /** Undefined = it does not look at activities of this kind. */
  judge(subject: string, activity: Activity): Verdict | undefined;
  /** The same judge at the start of a recording, told of these changes by the subject that makes them. */
  begin(declared: ReadonlyMap<string, DeclaredChange>): Judge;
  /** Allows what the activity stands for, as a person would who answers the alarm it raised. */
  allow(subject: string, activity: Activity): Judge;
}
