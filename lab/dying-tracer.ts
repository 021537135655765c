// A tracer that is killed while it decides: run by a test as a process of its own, with the target as its only argument. Says `tracing` once
// it does, and dies of its own hand at the first attempt that names `forbidden`.
import { attemptHooks } from '../src/introspection/trace/hooks/attempts/attempt-hooks.ts';
import type { TraceTarget } from '../src/introspection/trace/trace-target.ts';
import { openTrace } from '../src/introspection/trace/tracer.ts';
import { WatchdogGuardian } from '../src/introspection/trace/watchdog/watchdog-guardian.ts';
import { sayProblem } from '../src/kit/problem.ts';

const target = JSON.parse(process.argv[2] ?? '') as TraceTarget;
const trace = await openTrace(target, {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  guardian: new WatchdogGuardian(),
  onLine: () => {},
  decide(attempt) {
    if (attempt.argv?.includes('forbidden') === true) process.kill(process.pid, 'SIGKILL');
    return 'allow';
  },
  attempts: (context) => attemptHooks(context, { kinds: new Set(['exec']), onDoubt: () => {}, onSlip: () => {} }).hooks,
});
if (!trace.ok) throw new Error(sayProblem(trace.error));
console.log('tracing');
