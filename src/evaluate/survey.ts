// A first reading of the recordings: what there is to learn and to score, for how long, and what is odd about it. Later readings
// rest on it, so that none of them has to hold the events in memory.
import type { Problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import type { Activity } from '../model/observation.ts';
import type { DeclaredChange } from '../stages/detect/change-window.ts';
import { DeclaredChanges } from './declared-changes.ts';
import { InputNotes, type InputNote } from './input-notes.ts';
import type { MarkedEvent, Role } from './marks.ts';
import { readMarkedEvents, reasonOf } from './read-marked-events.ts';
import { TimeSpans } from './time-spans.ts';

export interface Recordings {
  readonly learn: readonly string[];
  readonly test: readonly string[];
}

export interface Survey {
  readonly recordings: Recordings;
  readonly events: number;
  readonly hosts: number;
  /** Activities to learn, by machine. */
  readonly learned: ReadonlyMap<string, number>;
  /** Some machine that is scored was never learned. */
  readonly hasStrangers: boolean;
  readonly learnSeconds: number;
  readonly testSeconds: number;
  /** What a provisioning system would have said of the recorded changes, by machine. */
  readonly changes: ReadonlyMap<string, DeclaredChange>;
  /** Attack runs, in the order in which they began. */
  readonly runs: readonly string[];
  readonly notes: readonly InputNote[];
}

/** Beyond so many, machines and runs are no longer told apart. */
const namesMax = 200_000;
const hostsMax = 10_000;

/** A recording that says nothing of roles is learned or scored as the caller named it. */
export function isToLearn({ marks }: MarkedEvent): boolean {
  return marks.role === 'learn' || marks.role === null;
}

/** Null = it is not scored. */
export function scoredRole({ marks }: MarkedEvent): Exclude<Role, 'learn'> | null {
  if (marks.role === null) return 'test';
  // An alarm about it would be neither false nor right.
  if (marks.role === 'learn' || (marks.role === 'test' && marks.isUnlabelled)) return null;
  return marks.role;
}

export async function survey(recordings: Recordings): Promise<Result<Survey>> {
  const notes = new InputNotes();
  const learned = new Map<string, number>();
  const scored = new Set<string>();
  const runs = new Set<string>();
  const spans = { learn: new TimeSpans(), test: new TimeSpans(), change: new TimeSpans() };
  let events = 0;
  const changes = new DeclaredChanges();
  for await (const each of readMarkedEvents(recordings.learn, notes)) {
    if (!each.ok) return each;
    const { event, marks } = each.value;
    events += 1;
    if (!isToLearn(each.value)) continue;
    spans.learn.take(event, marks);
    if (usable(each.value, notes) === null) continue;
    if (learned.has(event.host) || learned.size < hostsMax) learned.set(event.host, (learned.get(event.host) ?? 0) + 1);
    else notes.add(`There are more than ${hostsMax} machines: this one is not learned.`, each.value.place);
  }
  const alreadyNoted = new Set(recordings.learn);
  for (const file of recordings.test) {
    const isNew = !alreadyNoted.has(file);
    for await (const each of readMarkedEvents([file], isNew ? notes : null)) {
      if (!each.ok) return each;
      const role = scoredRole(each.value);
      if (isNew) events += 1;
      if (role === null && each.value.marks.role === 'test')
        notes.add('Nobody said whether it was harmless: it is not scored.', each.value.place);
      if (role === null) continue;
      const { event, marks } = each.value;
      if (role !== 'attack') spans[role].take(event, marks);
      else if (runs.size < namesMax) runs.add(marks.run);
      if (scored.size < namesMax) scored.add(event.host);
      const activity = usable(each.value, notes);
      if (role === 'change' && activity !== null) changes.take(activity);
    }
  }
  if (learned.size === 0) return fail(nothingLearned);
  return ok({
    recordings,
    events,
    hosts: new Set([...learned.keys(), ...scored]).size,
    learned,
    hasStrangers: [...scored].some((host) => !learned.has(host)),
    learnSeconds: spans.learn.seconds(),
    testSeconds: Math.max(0, spans.test.seconds() - spans.change.seconds()),
    changes: changes.byHost(),
    runs: [...runs],
    notes: notes.entries(),
  });
}

const nothingLearned: Problem = {
  kind: 'unreadable',
  message: 'There is nothing to learn in the recordings.',
  mend: 'Name with --learn files that hold process or network events of the role learn.',
};

function usable({ event, place }: MarkedEvent, notes: InputNotes): Activity | null {
  const observation = normalise(event);
  if (!observation.ok) notes.add(reasonOf(observation.error, place), place);
  return observation.ok && observation.value.kind !== 'loss' ? observation.value : null;
}
