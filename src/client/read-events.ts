// Reads a text/event-stream (https://html.spec.whatwg.org/multipage/server-sent-events.html): the data of each event, nothing else.

/** One event may not be longer; a longer one throws, since the other side is then no manager. */
const eventBytesMax = 4 * 1024 * 1024;

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    const events = pending.split('\n\n');
    pending = events.pop() ?? '';
    for (const event of events) {
      const data = dataOf(event);
      if (data !== '') yield data;
    }
    if (pending.length > eventBytesMax) throw new RangeError(`an event is longer than ${eventBytesMax} bytes`);
  }
}

function dataOf(event: string): string {
  return event
    .split('\n')
    .flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trimStart()] : []))
    .join('\n');
}
