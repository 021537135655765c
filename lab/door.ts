// A way from the host's loopback into the lab's network namespace, so that a browser reaches a console that runs in there.
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import type { Gateway } from './gateway.ts';

/** 127.0.0.1:port on the host becomes 127.0.0.1:port of the namespace, for as long as this process lives. */
export async function openDoor(gateway: Gateway, runDirectory: string, port: number): Promise<Result<void>> {
  const socket = join(runDirectory, `door-${port}.sock`);
  const opened = await gateway.ask('door', { socket, port });
  if (!opened.ok) return opened;
  return new Promise((resolve) => {
    const server = createServer((outside) => {
      const inside = createConnection(socket);
      outside.on('error', () => inside.destroy());
      inside.on('error', () => outside.destroy());
      outside.pipe(inside).pipe(outside);
    });
    server.unref();
    server.once('error', (thrown) => {
      resolve(
        fail(problem('failed', `127.0.0.1:${port} cannot be opened: ${thrown.message}.`, 'Choose another port.')),
      );
    });
    server.listen(port, '127.0.0.1', () => resolve(ok(undefined)));
  });
}
