// Recorded behaviour, one JSON object a line, plain or gzip.
import type { Result } from '../../kit/result.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { eventOf } from './event-of.ts';
import { readLines } from './read-lines.ts';

export interface EventLine {
  /** Counted from 1; 0 when the file itself could not be read. */
  readonly line: number;
  readonly result: Result<RawEvent>;
  /** Fields that were there, could not be used and count as unknown: `ts` in another form than ISO 8601, say. */
  readonly unusable: readonly string[];
}

export async function* readEvents(path: string): AsyncGenerator<EventLine> {
  for await (const { line, result } of readLines(path))
    yield { line, ...(result.ok ? eventOf(result.value, `${path}:${line}`) : { result, unusable: [] }) };
}
