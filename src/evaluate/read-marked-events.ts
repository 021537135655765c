// Recordings as a stream of events with their marks. What cannot be used is noted and the rest is read.
import type { Problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import { eventOf } from '../sensors/ndjson/event-of.ts';
import { readLines } from '../sensors/ndjson/read-lines.ts';
import type { InputNotes } from './input-notes.ts';
import { type MarkedEvent, marksOf } from './marks.ts';

/**
 * `notes` null = they have been taken in an earlier reading of the same files. A problem ends the stream only for a file that is
 * not there: a path that was mistyped must not look like a quiet day.
 */
export async function* readMarkedEvents(
  files: readonly string[],
  notes: InputNotes | null,
): AsyncGenerator<Result<MarkedEvent>> {
  for (const file of files) {
    for await (const { line, result } of readLines(file)) {
      const place = `${file}:${line}`;
      if (!result.ok) {
        if (result.error.kind === 'not-found') return yield fail(result.error);
        notes?.add(reasonOf(result.error, place), place);
        continue;
      }
      const { result: parsed, unusable } = eventOf(result.value, place);
      for (const field of unusable) notes?.add(`The field ${field} could not be used and counts as unknown.`, place);
      if (parsed.ok) {
        notes?.check(parsed.value, place);
        yield ok({ place, event: parsed.value, marks: marksOf(result.value) });
      } else notes?.add(reasonOf(parsed.error, place), place);
    }
  }
}

/** Reasons are counted, so the place they carry must not tell them apart. */
export function reasonOf({ message }: Problem, place: string): string {
  return message.replace(place, 'The line').replace(/(behind line) \d+/, '$1 N');
}
