// The integrity thread's program.
import { parentPort } from 'node:worker_threads';
import { IntegrityDesk } from './integrity-desk.ts';
import type { ToIntegrity } from './integrity-messages.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
// Twice: what the first finds empty, the second gives back. Absent unless Node was started with --expose-gc (bin/node-settings.js).
const collect = (): void => {
  globalThis.gc?.();
  globalThis.gc?.();
};
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a worker, not a window's
const desk = new IntegrityDesk(clock, (message) => parentPort?.postMessage(message), collect);
parentPort?.on('message', (message) => desk.receive(message as ToIntegrity));
parentPort?.on('close', () => desk.close());
