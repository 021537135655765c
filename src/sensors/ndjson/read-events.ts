// Recorded behaviour, one JSON object a line, plain or gzip; the output of `plumbline trace --json` as well.
import type { Result } from '../../kit/result.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { eventOf } from './event-of.ts';
import { readLines } from './read-lines.ts';
import { eventFieldsOf, isTraceLine } from './trace-line.ts';

export interface EventLine {
  /** Counted from 1; 0 when the file itself could not be read. */
  readonly line: number;
  readonly result: Result<RawEvent>;
  /** Fields that were there, could not be used and count as unknown: `ts` in another form than ISO 8601, say. */
  readonly unusable: readonly string[];
}

export async function* readEvents(path: string): AsyncGenerator<EventLine> {
  for await (const { line, result } of readLines(path)) {
    if (!result.ok) {
      yield { line, result, unusable: [] };
      continue;
    }
    const fields = isTraceLine(result.value) ? eventFieldsOf(result.value) : result.value;
    if (fields !== null) yield { line, ...eventOf(fields, `${path}:${line}`) };
  }
}
