// Recorded behaviour, one JSON object a line, plain or gzip. A line that cannot be used is a value with its place; nothing in a
// file can stop the reading of the rest, and no line is held in memory beyond its limit.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { causeOf, problem } from '../../kit/problem.ts';
import { type Result, fail } from '../../kit/result.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { parseEvent } from './parse-event.ts';
import { splitLines } from './split-lines.ts';

export interface EventLine {
  /** Counted from 1; 0 when the file itself could not be read. */
  readonly line: number;
  readonly result: Result<RawEvent>;
  /** Fields that were there, could not be used and count as unknown: `ts` in another form than ISO 8601, say. */
  readonly unusable: readonly string[];
}

export async function* readEvents(path: string): AsyncGenerator<EventLine> {
  let line = 0;
  try {
    for await (const text of splitLines(open(path))) {
      line += 1;
      if (text !== null && text.trim() === '') continue;
      yield { line, ...parseEvent(text, `${path}:${line}`) };
    }
  } catch (thrown) {
    yield { line: line === 0 ? 0 : line + 1, result: fail(unreadable(path, line, thrown)), unusable: [] };
  }
}

function open(path: string): AsyncIterable<Buffer> {
  const file = createReadStream(path);
  // The error reaches the reader through the iteration; the callback only keeps it from being thrown as well.
  return path.endsWith('.gz') ? pipeline(file, createGunzip(), () => undefined) : file;
}

function unreadable(path: string, line: number, thrown: unknown): ReturnType<typeof problem> {
  const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
  if (isMissing) return problem('not-found', `There is no file ${path}.`, 'Check the path.');
  const where = line === 0 ? path : `${path} behind line ${line}`;
  return problem('unreadable', `${where} cannot be read: ${causeOf(thrown)}.`, 'What was read before it counts.');
}
