// Walks the kernel's list of processes. The guest changes it meanwhile, so every step is checked from both sides.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { Ledger } from './ledger.ts';

/** More than any sane guest runs; Linux itself allows four million process ids. */
export const tasksMax = 200_000;

/** Addresses of all processes' task records in the kernel's order, the idle task left out. */
export function listTasks(space: KernelSpace, ledger: Ledger): readonly PhysicalAddress[] {
  const link = space.profile.fields['task_struct.tasks'];
  const head = space.symbol('init_task') + link;
  const tasks = new Set<PhysicalAddress>();
  let at = head;
  for (;;) {
    let next = space.maybePointer(at);
    if (next === nowhere || space.maybePointer(next + 8) !== at) next = lookAgain(space, at, next, ledger);
    if (next === head) return [...tasks];
    if (next === nowhere) {
      ledger.note('unreadable', 'the list of processes breaks off');
      return [...tasks];
    }
    if (tasks.has(next - link)) {
      ledger.note('torn', 'the list of processes goes in circles');
      return [...tasks];
    }
    if (tasks.size >= tasksMax) {
      ledger.note('bounded', `more than ${tasksMax} processes`);
      return [...tasks];
    }
    tasks.add(next - link);
    at = next;
  }
}

/** A neighbour that does not point back was linked in or out while we looked: read both afresh, once. */
function lookAgain(space: KernelSpace, at: PhysicalAddress, stale: PhysicalAddress, ledger: Ledger): PhysicalAddress {
  space.pages.refresh(at);
  if (stale !== nowhere) space.pages.refresh(stale);
  const next = space.maybePointer(at);
  if (next !== stale && next !== nowhere) space.pages.refresh(next);
  if (next === nowhere || space.maybePointer(next + 8) === at) return next;
  // A process that has ended still points to what came after it: the way on is right, and nothing was passed over.
  const ended = at !== space.symbol('init_task') + space.profile.fields['task_struct.tasks'] && !isLinked(space, at);
  if (ended) ledger.note('transient', endedMeanwhile);
  else ledger.note('torn', 'neighbours in the list of processes disagree');
  return next;
}

export const endedMeanwhile = 'processes that ended while the list was walked';

/** Whether the process is still in the list, looked up afresh. */
export function isListed(space: KernelSpace, task: PhysicalAddress): boolean {
  return isLinked(space, task + space.profile.fields['task_struct.tasks']);
}

function isLinked(space: KernelSpace, link: PhysicalAddress): boolean {
  space.pages.refresh(link);
  const before = space.maybePointer(link + 8);
  if (before === nowhere) return false;
  space.pages.refresh(before);
  return space.maybePointer(before) === link;
}
