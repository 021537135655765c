// Starts a tracer as a process of its own: what stops a guest thousands of times a second must not share a thread with anything.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { FromTracer, StartTracer } from './tracer-messages.ts';

/** Enough for learning a kernel anew; a tracer at work needs a tenth of it. */
const heapMiB = 512;

export const startTracerProcess: StartTracer = (listener) => {
  const child = fork(join(import.meta.dirname, `tracer-main${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`), {
    execArgv: [`--max-old-space-size=${heapMiB}`, '--no-warnings'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  child.on('message', (message) => listener.hear(message as FromTracer));
  let isGone = false;
  const gone = (why: string): void => {
    if (isGone) return;
    isGone = true;
    listener.gone(why);
  };
  child.on('error', (error) => gone(error.message));
  child.on('exit', (code, signal) => gone(signal === null ? `exit code ${code ?? '?'}` : `ended by ${signal}`));
  return {
    send: (message) => {
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => void child.kill('SIGKILL'),
  };
};
