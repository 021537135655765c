// What a trace says through the local door: its lines, and beside them how it fares.
import type { Problem } from '../../kit/problem.ts';
import type { TraceState } from '../../model/vm.ts';
import type { TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';

export type TraceCost = Pick<TraceSummary, 'stops' | 'stolenMs' | 'refused' | 'notRefused'>;

export type StreamedLine =
  | TraceLine
  /** Of the whole trace, which may have begun before anybody followed it. */
  | ({ readonly kind: 'progress'; readonly state: TraceState['state'] } & TraceCost)
  | { readonly kind: 'ended'; readonly problem: Problem };
