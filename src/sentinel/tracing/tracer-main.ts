// The program of a tracer process. It lives as long as the sentinel that started it wants it, and not a moment longer than the
// pipe between them.
import { setPriority } from 'node:os';
import { openTracer } from './open-tracer.ts';
import { TracerHost } from './tracer-host.ts';
import type { ToTracer } from './tracer-messages.ts';

/** Its work is short, and a guest stands for it: on a host with too much to do healthy traces should not be cut. */
const priority = -5;
try {
  setPriority(priority);
} catch {
  // Not every host permits it.
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

const host = new TracerHost({
  open: openTracer(clock),
  clock,
  post: (message) =>
    new Promise((resolve) => {
      if (!process.connected) return resolve();
      process.send?.(message, () => resolve());
    }),
});

process.on('message', (message) => {
  const told = message as ToTracer;
  void host.receive(told).then(() => {
    if (told.say === 'close') process.disconnect();
  });
});
// Not by process.exit, which now and then does not end (nodejs/node issue 64274): the next tracer would wait for this one.
process.on('disconnect', () => void host.close().finally(() => process.kill(process.pid, 'SIGKILL')));
// A terminal's Ctrl-C goes to the whole group: the sentinel decides when its traces end.
process.on('SIGINT', () => undefined);
