// Notes as a person can read them: worst first, and of one kind only so many.
import { type Severity, severityOrder } from '../../model/finding.ts';

interface Note {
  readonly severity: Severity;
  readonly note: string;
}

/** Of each kind, the text before its first colon being the kind. */
const perKindMax = 10;

export function withoutRepetitions(notes: readonly Note[]): readonly Note[] {
  const kinds = new Map<string, Note[]>();
  for (const note of notes) {
    const kind = `${note.severity} ${note.note.split(':')[0] ?? ''}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), note]);
  }
  const kept = [...kinds.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined || same.length <= perKindMax) return same;
    const more = {
      severity: first.severity,
      note: `${first.note.split(':')[0] ?? ''}: ${same.length - perKindMax} more.`,
    };
    return [...same.slice(0, perKindMax), more];
  });
  return kept.sort((a, b) => severityOrder.indexOf(b.severity) - severityOrder.indexOf(a.severity));
}
