// Code in the memory of processes that did not come from a file as it is: areas that can be written and executed, executable memory of no
// file, and pages of a program or library that differ from the file they were mapped from.
import { nowhere } from '../../kernel/kernel-space.ts';
import { readMemoryAreas } from '../../guest/memory-areas.ts';
import type { MemoryArea } from '../../guest/memory-areas.ts';
import type { TaskFacts } from '../../guest/task-facts.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import { answer } from '../kernel/kernel-look.ts';
import { Unseen } from '../unseen.ts';
import { CodePages } from './code-pages.ts';
import { factsOf, firstThreads, identityOf, subjectOf } from './process-look.ts';
import type { ProcessLook } from './process-look.ts';

const covers =
  'The memory of every process: areas that are writable and executable, executable areas of no file, and pages of mapped programs and libraries that differ from the file’s own pages.';

export class MappedCodeCheck {
  /** Where the last look stopped comparing pages for want of time. */
  #resumeAt = 0;

  look(look: ProcessLook): IntegrityCheck {
    const unseen = new Unseen();
    const findings: IntegrityFinding[] = [];
    const pages = new CodePages(look.space);
    const processes = firstThreads(look);
    const start = processes.length === 0 ? 0 : this.#resumeAt % processes.length;
    let compared = 0;
    for (const { facts } of [...processes.slice(start), ...processes.slice(0, start)]) {
      if (look.isLate() || pages.exhausted) break;
      compared += 1;
      const areas = readMemoryAreas(look.space, facts.mm);
      if (areas === null) {
        unseen.note('this kernel’s record of mapped memory is not understood');
        break;
      }
      if (!areas.complete) unseen.note('processes whose memory areas changed while they were read');
      const own = areas.areas.filter(({ executable, kernelProvided }) => executable && !kernelProvided);
      findings.push(
        ...tell(
          look,
          facts,
          own.filter(({ writable }) => writable),
          writableCode,
        ),
        ...tell(
          look,
          facts,
          own.filter(({ writable, file }) => !writable && file === nowhere),
          anonymousCode,
        ),
      );
      for (const area of own) findings.push(...this.#patched(look, facts, area, pages, unseen));
    }
    if (compared < processes.length)
      unseen.note('processes whose memory is looked at in a later look', processes.length - compared);
    this.#resumeAt = start + compared;
    return answer('mapped-code', covers, findings, unseen);
  }

  #patched(
    look: ProcessLook,
    facts: TaskFacts,
    area: MemoryArea,
    pages: CodePages,
    unseen: Unseen,
  ): readonly IntegrityFinding[] {
    if (area.file === nowhere || area.shared || area.writable) return [];
    const comparison = pages.compare(facts.mm, area);
    if (comparison === null) {
      unseen.note('mapped files whose pages could not be looked up');
      return [];
    }
    if (comparison.unknown > 0)
      unseen.note('changed pages whose original is not in the guest’s memory', comparison.unknown);
    const [first] = comparison.changed;
    if (first === undefined) return [];
    const key = `patched ${identityOf(facts)}.${facts.execGeneration}.${area.start}`;
    if (!look.persistence.confirm(key, look.now)) return [];
    const subject = subjectOf(facts);
    return [
      {
        kind: 'patched-code',
        certainty: 'suspicious',
        subject,
        detail: `The ${subject} runs code of ${comparison.path} that is not as in the file: ${comparison.changed.length} pages were changed in its memory.`,
        facts: {
          ...factsOf(look.space, facts),
          file: comparison.path,
          pages: comparison.changed.length,
          firstAddress: `0x${first.address.toString(16)}`,
          firstOffset: first.fileOffset,
          bytesThere: first.bytes,
        },
      },
    ];
  }
}

interface Story {
  readonly kind: string;
  readonly said: string;
}

const writableCode: Story = { kind: 'writable-code', said: 'memory that it can write and execute' };
const anonymousCode: Story = { kind: 'anonymous-code', said: 'executable memory that comes from no file' };

/** One finding for all such areas of a process: a runtime that compiles as it goes has thousands. */
function tell(
  look: ProcessLook,
  facts: TaskFacts,
  areas: readonly MemoryArea[],
  { kind, said }: Story,
): readonly IntegrityFinding[] {
  const [first] = areas;
  if (first === undefined) return [];
  if (!look.persistence.confirm(`${kind} ${identityOf(facts)}.${facts.execGeneration}`, look.now)) return [];
  const subject = subjectOf(facts);
  const bytes = areas.reduce((sum, { start, end }) => sum + (end - start), 0);
  return [
    {
      kind,
      certainty: 'suspicious',
      subject,
      detail: `The ${subject} has ${said}: ${bytes / 1024} KiB in ${areas.length} areas.`,
      facts: {
        ...factsOf(look.space, facts),
        areas: areas.length,
        bytes,
        firstAddress: `0x${first.start.toString(16)}`,
      },
    },
  ];
}
