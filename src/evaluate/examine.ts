// The scored part of an evaluation: every judge is asked about the same activities, harmless ones, changes and attacks.
import { type Result, ok } from '../kit/result.ts';
import type { Activity } from '../model/observation.ts';
import type { RawEvent } from '../model/raw-event.ts';
import { Lineage } from '../sensors/ndjson/lineage.ts';
import type { DeclaredChange } from '../stages/detect/change-window.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { AttackRun } from './attack-run.ts';
import type { Judge } from './learner.ts';
import type { MarkedEvent, Marks } from './marks.ts';
import { readMarkedEvents } from './read-marked-events.ts';
import { worstHost } from './measures.ts';
import { type AttackForm, type GroupScore, Score, runsMax } from './score.ts';
import { type Survey, scoredRole } from './survey.ts';
import { type Taught, productName } from './teach.ts';

/** The scores by the names of the judges. */
export async function examine(
  survey: Survey,
  taught: Taught,
  withCurve: boolean,
): Promise<Result<ReadonlyMap<string, Score>>> {
  const examination = new Examination(taught, withCurve);
  for await (const each of readMarkedEvents(survey.recordings.test, null)) {
    if (!each.ok) return each;
    examination.take(each.value);
  }
  return ok(examination.scores);
}

/** How many events of the recordings one judge gets through in a second, from the line to the decision. */
export async function speedOf(survey: Survey, taught: Taught): Promise<number | null> {
  const judge = taught.judges.get(productName)?.begin(new Map());
  const lineage = new Lineage();
  const startedAt = performance.now();
  let events = 0;
  for await (const each of readMarkedEvents(survey.recordings.test, null)) {
    if (!each.ok) return null;
    const activity = activityOf(lineage.complete(each.value.event));
    if (activity === null) continue;
    judge?.judge(taught.subjectOf(activity.vm), activity);
    events += 1;
  }
  return events === 0 ? null : events / ((performance.now() - startedAt) / 1000);
}

/** Groups that the changes still raise on the worst machine when the judges are these. */
export async function examineChange(
  survey: Survey,
  taught: Taught,
  judges: ReadonlyMap<string, Judge>,
  declared: ReadonlyMap<string, DeclaredChange>,
): Promise<Result<ReadonlyMap<string, number>>> {
  const scores = new Map([...judges.keys()].map((name) => [name, new Score()]));
  const told = new Map([...declared].map(([host, change]) => [taught.subjectOf(host), change]));
  const begun = [...judges].map(([name, judge]) => [name, judge.begin(told)] as const);
  const lineage = new Lineage();
  for await (const each of readMarkedEvents(survey.recordings.test, null)) {
    if (!each.ok) return each;
    const role = scoredRole(each.value);
    const event = role === null ? each.value.event : lineage.complete(each.value.event);
    const activity = role === 'change' ? activityOf(event) : null;
    if (activity === null) continue;
    for (const [name, judge] of begun) {
      const verdict = judge.judge(taught.subjectOf(activity.vm), activity);
      if (verdict !== undefined) scores.get(name)?.takeChange(activity, verdict);
    }
  }
  return ok(new Map([...scores].map(([name, { changeGroups }]) => [name, worstHost(changeGroups)])));
}

/** The judge after the alarm with the highest risk that a change raised on each machine was allowed. */
export function allowWorst(judge: Judge, changeGroups: ReadonlyMap<string, GroupScore>, taught: Taught): Judge {
  const worst = new Map<string, GroupScore>();
  for (const group of changeGroups.values()) {
    const known = worst.get(group.host);
    if (known === undefined || group.risk > known.risk) worst.set(group.host, group);
  }
  return [...worst.values()].reduce(
    (asked, { host, activity }) => asked.allow(taught.subjectOf(host), activity),
    judge,
  );
}

class Examination {
  readonly scores: ReadonlyMap<string, Score>;
  readonly #taught: Taught;
  readonly #withCurve: boolean;
  readonly #runs = new Map<string, AttackRun>();
  readonly #judges: readonly (readonly [string, Judge])[];
  /** Of the recording as it is, and as it would be behind the entry of each attack. */
  readonly #lineage = { entry: new Lineage(), postEntry: new Lineage() } as const;

  constructor(taught: Taught, withCurve: boolean) {
    this.#taught = taught;
    this.#withCurve = withCurve;
    this.#judges = [...taught.judges].map(([name, judge]) => [name, judge.begin(new Map())]);
    this.scores = new Map([...taught.judges.keys()].map((name) => [name, new Score()]));
  }

  take(marked: MarkedEvent): void {
    const role = scoredRole(marked);
    if (role === null) return;
    if (role === 'attack') return this.#takeAttack(marked);
    this.#lineage.postEntry.complete(marked.event);
    const activity = activityOf(this.#lineage.entry.complete(marked.event));
    if (activity === null) return;
    const subject = this.#taught.subjectOf(activity.vm);
    for (const [name, judge] of this.#judges) {
      const verdict = judge.judge(subject, activity);
      if (verdict === undefined) continue;
      if (role === 'test') this.scores.get(name)?.takeTest(activity, verdict, marked.marks);
      else this.scores.get(name)?.takeChange(activity, verdict);
    }
    if (role === 'test' && this.#withCurve) this.#taught.curve.tested(subject, activity);
  }

  #takeAttack({ event, marks }: MarkedEvent): void {
    const known = this.#runs.get(marks.run);
    const run = known ?? new AttackRun(this.#taught.loreOf(event.host));
    if (known === undefined) {
      for (const score of this.scores.values()) score.runOf(marks);
      // The scores count what they leave out.
      if (this.#runs.size >= runsMax) return;
      this.#runs.set(marks.run, run);
    }
    const placed = marks.rendered ? run.rendered(event) : event;
    this.#judgeAttack('entry', placed, marks);
    const left = run.postEntry(placed);
    if (left === null) return;
    this.#judgeAttack('postEntry', left, marks);
    if (left.exe === undefined || this.#taught.loreOf(left.host)?.knows(left.exe) === true) return;
    if (activityOf(left) === null) return;
    for (const score of this.scores.values()) {
      const scored = score.runOf(marks);
      if (scored !== null) scored.argumentOnly = false;
    }
  }

  #judgeAttack(form: AttackForm, event: RawEvent, marks: Marks): void {
    const activity = activityOf(this.#lineage[form].complete(event));
    if (activity === null) return;
    for (const [name, judge] of this.#judges) {
      const verdict = judge.judge(this.#taught.subjectOf(activity.vm), activity);
      // A run is scored for every judge, also where it does not look at what the run consists of.
      this.scores.get(name)?.takeAttack(form, activity, verdict ?? { risk: null, surprise: 0 }, marks);
    }
  }
}

function activityOf(event: RawEvent): Activity | null {
  const observation = normalise(event);
  return observation.ok && observation.value.kind !== 'loss' ? observation.value : null;
}
