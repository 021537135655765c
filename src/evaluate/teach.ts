// The learning part of an evaluation: every learner sees the same activities in the same order, and nothing of their marks.
import { type Result, ok } from '../kit/result.ts';
import type { Activity } from '../model/observation.ts';
import { Lineage } from '../sensors/ndjson/lineage.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { AttackRun } from './attack-run.ts';
import { HostLore } from './host-lore.ts';
import type { Judge, Learner } from './learner.ts';
import { LearningCurve } from './learning-curve.ts';
import type { MarkedEvent } from './marks.ts';
import { naiveLearner, naiveNames } from './naive-learners.ts';
import { ProductLearner } from './product-learner.ts';
import { readMarkedEvents } from './read-marked-events.ts';
import { type Survey, isToLearn, scoredRole } from './survey.ts';

export const productName = 'product';

export interface Taught {
  /** By the name of the learner; the product is one of them. */
  readonly judges: ReadonlyMap<string, Judge>;
  readonly curve: LearningCurve;
  /** Whom a machine is judged as: itself, or all machines together when it was never learned. */
  readonly subjectOf: (host: string) => string;
  readonly loreOf: (host: string) => HostLore | null;
}

const everyMachine = 'every machine';

/** `poisoned` attack runs are learned as if they were harmless. */
export async function teach(survey: Survey, poisoned: ReadonlySet<string>): Promise<Result<Taught>> {
  const teaching = new Teaching(survey);
  for await (const each of readMarkedEvents(survey.recordings.learn, null)) {
    if (!each.ok) return each;
    if (isToLearn(each.value)) teaching.take(each.value);
  }
  if (poisoned.size > 0) {
    const placed = new Map<string, AttackRun>();
    for await (const each of readMarkedEvents(survey.recordings.test, null)) {
      if (!each.ok) return each;
      const { run } = each.value.marks;
      if (scoredRole(each.value) === 'attack' && poisoned.has(run)) teaching.poison(each.value, placed);
    }
  }
  return ok(teaching.done());
}

class Teaching {
  readonly #survey: Survey;
  readonly #product = new ProductLearner();
  readonly #learners: ReadonlyMap<string, Learner>;
  readonly #curve: LearningCurve;
  readonly #lore = new Map<string, HostLore>();
  readonly #lineage = new Lineage();

  constructor(survey: Survey) {
    this.#survey = survey;
    this.#learners = new Map<string, Learner>([
      [productName, this.#product],
      ...naiveNames.map((name) => [name, naiveLearner(name)] as const),
    ]);
    this.#curve = new LearningCurve(new Map([...survey.learned].map(([host, count]) => [subject(host), count])));
  }

  take({ event }: MarkedEvent): void {
    if (!this.#survey.learned.has(event.host)) return;
    const observation = normalise(this.#lineage.complete(event));
    if (!observation.ok || observation.value.kind === 'loss') return;
    for (const host of this.#survey.hasStrangers ? [event.host, everyMachine] : [event.host]) {
      const lore = this.#lore.get(host) ?? new HostLore();
      this.#lore.set(host, lore);
      lore.take(event);
    }
    this.#learn(observation.value);
    this.#curve.learned(subject(event.host), observation.value, this.#product);
  }

  /** The scorer's own knowledge of the machine stays what it was without the poison. */
  poison({ event, marks }: MarkedEvent, placed: Map<string, AttackRun>): void {
    const run = placed.get(marks.run) ?? new AttackRun(this.#loreOf(event.host));
    placed.set(marks.run, run);
    const observation = normalise(this.#lineage.complete(marks.rendered ? run.rendered(event) : event));
    if (marks.rendered) run.postEntry(event);
    if (observation.ok && observation.value.kind !== 'loss') this.#learn(observation.value);
  }

  #learn(activity: Activity): void {
    const subjects = [subject(activity.vm), ...(this.#survey.hasStrangers ? [everyMachine] : [])];
    for (const learner of this.#learners.values()) for (const each of subjects) learner.learn(each, activity);
  }

  #loreOf(host: string): HostLore | null {
    return this.#lore.get(host) ?? this.#lore.get(everyMachine) ?? null;
  }

  done(): Taught {
    const { learned } = this.#survey;
    return {
      judges: new Map([...this.#learners].map(([name, learner]) => [name, learner.freeze()])),
      curve: this.#curve,
      subjectOf: (host) => (learned.has(host) ? subject(host) : everyMachine),
      loreOf: (host) => this.#loreOf(host),
    };
  }
}

function subject(host: string): string {
  return `machine ${host}`;
}
