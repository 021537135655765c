// Recorded behaviour, one JSON object a line, plain or gzip; the output of `plumbline trace --json` as well.
import { fail } from '../../kit/result.ts';
import { EventDecoder, type EventLine } from './event-decoder.ts';
import { openRecording, unreadable } from './read-lines.ts';

export async function* readEvents<Note>(path: string): AsyncGenerator<EventLine<Note>> {
  const decoder = new EventDecoder<Note>(path);
  try {
    for await (const chunk of openRecording(path)) yield* decoder.decode(chunk);
    yield* decoder.end();
  } catch (thrown) {
    const { line } = decoder;
    const result = fail(unreadable(path, line, thrown));
    yield { line: line === 0 ? 0 : line + 1, result, unusable: [], like: null };
  }
}
