// The integrity thread's program.
import { parentPort } from 'node:worker_threads';
import { IntegrityDesk } from './integrity-desk.ts';
import type { ToIntegrity } from './integrity-messages.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a worker, not a window's
const desk = new IntegrityDesk(clock, (message) => parentPort?.postMessage(message));
parentPort?.on('message', (message) => desk.receive(message as ToIntegrity));
parentPort?.on('close', () => desk.close());
