// Notes as a person can read them: worst first, and of one kind only so many.
import { type Severity, severityOrder } from '../../model/finding.ts';

interface Note {
  readonly severity: Severity;
  readonly note: string;
}

/** Of each kind, the text before its first colon being the kind. */
const perKindMax = 10;

export function withoutRepetitions(notes: readonly Note[]): readonly Note[] {
  const kinds = Map.groupBy(notes, ({ severity, note }) => `${severity} ${kindOf(note)}`);
  const kept = [...kinds.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined || same.length <= perKindMax) return same;
    const more = {
      severity: first.severity,
      note: `${kindOf(first.note)}: ${same.length - perKindMax} more.`,
    };
    return [...same.slice(0, perKindMax), more];
  });
  return kept.sort((a, b) => severityOrder.indexOf(b.severity) - severityOrder.indexOf(a.severity));
}

function kindOf(note: string): string {
  return note.split(':', 1)[0] ?? '';
}
