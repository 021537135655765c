// Opens a trace of introspection for a tracer process.
import type { Clock } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail } from '../../kit/result.ts';
import type { OpenTrace } from './tracer-host.ts';

export function openTracer(_clock: Clock): OpenTrace {
  return () => Promise.resolve(fail(problem('failed', 'Tracing is not there yet.')));
}
