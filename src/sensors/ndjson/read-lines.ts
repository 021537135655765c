// The lines of a recording as JSON objects, plain or gzip. A line that cannot be used is a value with its place; nothing in a
// file can stop the reading of the rest, and no line is held in memory beyond its limit.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { causeOf, problem } from '../../kit/problem.ts';
import { type Result, fail, ok } from '../../kit/result.ts';
import { lineBytesMax, splitLines } from './split-lines.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface ObjectLine {
  /** Counted from 1; 0 when the file itself could not be read. */
  readonly line: number;
  readonly result: Result<JsonObject>;
}

export async function* readLines(path: string): AsyncGenerator<ObjectLine> {
  let line = 0;
  try {
    for await (const text of splitLines(openRecording(path))) {
      line += 1;
      if (text !== null && text.trim() === '') continue;
      yield { line, result: parseObject(text, `${path}:${line}`) };
    }
  } catch (thrown) {
    yield { line: line === 0 ? 0 : line + 1, result: fail(unreadable(path, line, thrown)) };
  }
}

/** `text` null = the line was too long to be kept; `place` is how the line is named in a problem. */
export function parseObject(text: string | null, place: string): Result<JsonObject> {
  if (text === null) return badLine(place, `is longer than ${lineBytesMax} bytes`, 'Split or drop the event.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return badLine(place, 'is not JSON', 'Write one JSON object a line.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return badLine(place, 'is not a JSON object', 'Write one JSON object a line.');
  return ok(value as JsonObject);
}

export function badLine(place: string, what: string, mend: string | undefined): Result<never> {
  return fail(problem('unreadable', `${place} ${what}.`, mend));
}

export function openRecording(path: string): AsyncIterable<Buffer> {
  const file = createReadStream(path);
  // The error reaches the reader through the iteration; the callback only keeps it from being thrown as well.
  return path.endsWith('.gz') ? pipeline(file, createGunzip(), () => undefined) : file;
}

export function unreadable(path: string, line: number, thrown: unknown): ReturnType<typeof problem> {
  const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
  if (isMissing) return problem('not-found', `There is no file ${path}.`, 'Check the path.');
  const where = line === 0 ? path : `${path} behind line ${line}`;
  return problem('unreadable', `${where} cannot be read: ${causeOf(thrown)}.`, 'What was read before it counts.');
}
