// One look at a guest's processes: what all checks of it share, read once.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { filePath } from '../../guest/file-path.ts';
import { isKernelThread } from '../../guest/task-facts.ts';
import type { TaskFacts } from '../../guest/task-facts.ts';
import { factTextMax } from '../integrity-view.ts';
import type { Census, CountedTask } from './process-census.ts';
import type { Moment, Persistence } from './persistence.ts';

export interface ProcessLook {
  readonly space: KernelSpace;
  readonly now: Moment;
  readonly census: Census;
  /** What earlier looks saw; shared by all checks, each with keys of its own. */
  readonly persistence: Persistence;
  /** True when this look has taken so long that the rest is left to the next. */
  readonly isLate: () => boolean;
}

/** Tasks with a program of their own that are neither starting nor ending it, in any view. */
export function programs({ census }: ProcessLook): readonly CountedTask[] {
  return [...census.tasks.values()].filter(
    ({ facts }) => !isKernelThread(facts) && !facts.exiting && !facts.inExec && facts.mm !== nowhere,
  );
}

/** The same of processes only: their first threads. */
export function firstThreads(look: ProcessLook): readonly CountedTask[] {
  return programs(look).filter(({ leader }) => leader);
}

/** Names a task and its start: the same in every look, and never the same for another task. */
export function identityOf({ task, pid, startHigh, startLow }: TaskFacts): string {
  return `${task.toString(16)}.${pid}.${startHigh}.${startLow}`;
}

/** `process 712 (sshd)` or `thread 713 of 712 (sshd)`. */
export function subjectOf(facts: TaskFacts): string {
  const name = commOf(facts);
  return facts.pid === facts.tgid ? `process ${facts.pid} (${name})` : `thread ${facts.pid} of ${facts.tgid} (${name})`;
}

/** What a finding about a task says of it in any case. */
export function factsOf(space: KernelSpace, facts: TaskFacts): Readonly<Record<string, string | number>> {
  return {
    pid: facts.pid,
    tgid: facts.tgid,
    parent: facts.parentTgid,
    comm: commOf(facts),
    executable: executablePath(space, facts) ?? '?',
    task: `0x${facts.task.toString(16)}`,
  };
}

export function executablePath(space: KernelSpace, { mm }: TaskFacts): string | null {
  const file = mm === nowhere ? nowhere : space.pointer(mm + space.profile.fields['mm_struct.exe_file']);
  return file === nowhere ? null : (filePath(space, file)?.slice(0, factTextMax) ?? null);
}

const bytes = Buffer.alloc(16);

function commOf({ comm0, comm1, comm2, comm3 }: TaskFacts): string {
  [comm0, comm1, comm2, comm3].forEach((word, index) => bytes.writeUInt32LE(word, index * 4));
  const nul = bytes.indexOf(0);
  return bytes.toString('utf8', 0, nul < 0 ? 16 : nul);
}
