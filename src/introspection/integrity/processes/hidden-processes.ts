// Processes and threads that the kernel keeps in one way and not in another. Each side is asked against the others, since rootkits hide
// from either: from the list that tools walk, or from the ids that /proc is made of.
import { isKernelThread } from '../../guest/task-facts.ts';
import { findingsMax } from '../integrity-view.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import { answer } from '../kernel/kernel-look.ts';
import { Unseen } from '../unseen.ts';
import type { CountedTask, View } from './process-census.ts';
import { factsOf, identityOf, subjectOf } from './process-look.ts';
import type { ProcessLook } from './process-look.ts';

const covers =
  'Every process and thread in the kernel’s list, in the tables of process ids of all namespaces, on the run queues and among its parent’s children: one that is in some of them only is hidden.';

type Difference = 'not-listed' | 'no-id' | 'other-id' | 'no-child';

const details: Readonly<Record<Difference, string>> = {
  'not-listed': 'exists but is not in the kernel’s list of processes, which tools that look into memory walk',
  'no-id': 'is in the kernel’s list but has no process id in the kernel’s table, which /proc and signals go by',
  'other-id': 'has another number than the one it is entered under in the kernel’s table of process ids',
  'no-child': 'is not among the children of its parent',
};
const onlyWhileRunning = 'run-queue-only';
const broken = 'the list of processes broke off or changed while it was walked';
const partial: Readonly<Record<View, string>> = {
  list: broken,
  ids: 'a table of process ids could not be read to its end',
  'run-queue': 'the run queues cannot be found in this kernel',
  children: 'the children of a process could not be read to their end',
};
const views = ['list', 'ids', 'run-queue', 'children'] as const;
/** Views that hold every process there is. */
export const needed: readonly View[] = ['list', 'ids', 'children'];

export function checkHiddenProcesses(look: ProcessLook): IntegrityCheck {
  const unseen = new Unseen();
  const findings: IntegrityFinding[] = [];
  const { crowded } = look.persistence;
  if (crowded > 0) unseen.note('differences beyond those that can be followed, since watching began', crowded);
  for (const view of views) if (!look.census.sound.has(view)) unseen.note(partial[view]);
  for (const counted of look.census.tasks.values()) {
    const identity = identityOf(counted.facts);
    if (counted.views.has('list')) look.persistence.forget(`${onlyWhileRunning} ${identity}`);
    for (const difference of differencesOf(look, counted)) {
      const fleeting = counted.views.size === 1 && counted.views.has('run-queue');
      const key = `${fleeting ? onlyWhileRunning : difference} ${identity}`;
      if (!look.persistence.confirm(key, look.now)) continue;
      if (findings.length < findingsMax) findings.push(describe(look, counted, difference));
      else unseen.note('more findings than are told');
    }
  }
  return answer('hidden-processes', covers, findings, unseen);
}

/** Of which differences nothing can be said in this look: a task on a run queue is there only while it runs, and a view may be unsound. */
export function mayPause({ census }: ProcessLook): (key: string) => boolean {
  const whole = needed.every((view) => census.sound.has(view));
  return (key) =>
    key.startsWith(onlyWhileRunning) || (!whole && Object.keys(details).some((kind) => key.startsWith(kind)));
}

function differencesOf(
  { census }: ProcessLook,
  { facts, views: seen, ids, leader }: CountedTask,
): readonly Difference[] {
  const differences: Difference[] = [];
  const { sound } = census;
  if (!seen.has('list') && sound.has('list')) differences.push('not-listed');
  if (seen.has('list') && sound.has('ids')) {
    if (ids.length === 0) differences.push('no-id');
    else if (!ids.includes(facts.pid)) differences.push('other-id');
  }
  // A process whose parent could not be found has no children to be among.
  if (leader && seen.has('list') && sound.has('children') && !seen.has('children')) differences.push('no-child');
  return differences;
}

function describe(look: ProcessLook, counted: CountedTask, difference: Difference): IntegrityFinding {
  const { facts, views: seen, ids } = counted;
  const subject = subjectOf(facts);
  return {
    kind: difference === 'other-id' ? 'forged-process-id' : counted.leader ? 'hidden-process' : 'hidden-thread',
    certainty: 'certain',
    subject,
    detail: `The ${subject} ${details[difference]}.`,
    facts: {
      ...factsOf(look.space, facts),
      difference,
      seenIn: [...seen].join(', '),
      ids: ids.join(', '),
      kernelThread: isKernelThread(facts),
    },
  };
}
