// Server-sent events: everybody who listens hears what was stored. Listeners are few and their buffers small; one that does
// not keep up is let go and counted, and sees everything when it comes back and asks.
import type { ServerResponse } from 'node:http';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Announcements } from '../announcements.ts';
import type { Losses } from '../losses.ts';

export interface EventStream {
  /** Takes the response over. */
  admit(response: ServerResponse): Result<null>;
  close(): void;
}

const clientsMax = 32;
const bufferBytesMax = 1024 * 1024;
/** Also how soon a vanished listener is noticed. */
const heartbeatMs = 15_000;

export function makeEventStream(announcements: Announcements, losses: Losses): EventStream {
  const clients = new Set<ServerResponse>();

  function send(text: string): void {
    for (const client of clients) {
      if (client.writableLength > bufferBytesMax) {
        losses.eventsDropped += 1;
        clients.delete(client);
        client.destroy();
      } else client.write(text);
    }
  }

  const stopListening = announcements.listen((announcement) => send(`data: ${JSON.stringify(announcement)}\n\n`));
  const heartbeat = setInterval(() => send(': still here\n\n'), heartbeatMs).unref();

  return {
    admit(response) {
      if (clients.size >= clientsMax) {
        losses.eventClientsRefused += 1;
        return fail(problem('interrupted', `${clientsMax} listeners are connected, which is the limit.`, 'Close one.'));
      }
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      });
      response.write(': welcome\n\n');
      clients.add(response);
      response.on('close', () => clients.delete(response));
      response.on('error', () => clients.delete(response));
      return ok(null);
    },
    close() {
      stopListening();
      clearInterval(heartbeat);
      for (const client of clients) client.end();
      clients.clear();
    },
  };
}
