// How programs run: under a tracer, from a file that was deleted, or from memory that never had a file. Each has honest uses, and each is
// what intruders do.
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import { answer } from '../kernel/kernel-look.ts';
import { Unseen } from '../unseen.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { TaskFacts } from '../../guest/task-facts.ts';
import { executablePath, factsOf, firstThreads, identityOf, programs, subjectOf } from './process-look.ts';
import type { ProcessLook } from './process-look.ts';

const covers =
  'How every program runs: traced by another process (ptrace), from an executable that was deleted since, or from anonymous memory (memfd).';
const traced = 1;
const deleted = ' (deleted)';
const memory = '/memfd:';

export function checkRunningPrograms(look: ProcessLook): IntegrityCheck {
  const unseen = new Unseen();
  const findings: IntegrityFinding[] = [];
  const { 'task_struct.ptrace': ptrace, 'task_struct.parent': tracer } = look.space.profile.fields;
  const tell = (
    facts: TaskFacts,
    kind: string,
    detail: string,
    more: Readonly<Record<string, string | number>>,
  ): void => {
    const key = `${kind} ${identityOf(facts)}.${facts.execGeneration}`;
    if (!look.persistence.confirm(key, look.now)) return;
    const subject = subjectOf(facts);
    findings.push({
      kind,
      certainty: 'suspicious',
      subject,
      detail: `The ${subject} ${detail}.`,
      facts: { ...factsOf(look.space, facts), ...more },
    });
  };
  if (ptrace === undefined || tracer === undefined) unseen.note('this kernel does not say who traces whom');
  else {
    for (const { facts } of programs(look)) {
      if ((look.space.pages.u32(facts.task + ptrace) & traced) === 0 || look.isLate()) continue;
      const by = look.space.maybePointer(facts.task + tracer);
      const byPid = by === nowhere ? 0 : (look.census.tasks.get(by)?.facts.tgid ?? 0);
      tell(facts, 'traced-process', `is traced by process ${byPid}, which can change its memory`, { tracer: byPid });
    }
  }
  for (const { facts } of firstThreads(look)) {
    if (look.isLate()) {
      unseen.note('processes that were not looked at for want of time');
      continue;
    }
    const path = executablePath(look.space, facts);
    if (path === null) unseen.note('processes whose executable could not be read');
    else if (path.startsWith(memory)) tell(facts, 'memory-executable', `runs ${path}, which never was a file`, {});
    else if (path.endsWith(deleted)) tell(facts, 'deleted-executable', `runs ${path}, which is no longer there`, {});
  }
  return answer('running-programs', covers, findings, unseen);
}
