// What the trace bench promises to report, and its samples as a report. Apart from the bench so that a test need not run it.
import { figure, report, type BenchReport, type Figure } from './measure.ts';

/** Unit of each figure. */
const units = {
  /** A loop of programs that return at once, by the host's clock: how many times as long it takes under a trace of everything. */
  slowdown1cpu: 'x',
  /** The same with two processors and eight loops. */
  slowdown2cpu: 'x',
  /** Processor time of the tracer per stop, all told: reading, understanding, telling. */
  handlerMsPerStop: 'ms',
  /** How long the guest stands at a stop by the tracer's clock: from QEMU's word to the order to go on. */
  standsMsPerStop: 'ms',
  /** What the tracer takes of one processor while nothing happens in the guest. */
  idleCpuPercent: '%',
  /** From QEMU having stopped the guest, by its own clock, to the decision upon the program about to start. */
  decisionMs: 'ms',
  /** From the host's word to the guest's agent that a program be started to the machine standing at that start: an upper bound. */
  pausedMs: 'ms',
} as const;

export type TraceFigureName = keyof typeof units;
export type TraceSamples = Readonly<Record<TraceFigureName, readonly number[]>>;

export const traceFigureNames = Object.keys(units) as readonly TraceFigureName[];

export function traceReport(samples: TraceSamples): BenchReport {
  const figures = Object.fromEntries(
    traceFigureNames.map((name) => [name, figure(samples[name], units[name])] as const),
  ) as Readonly<Record<TraceFigureName, Figure>>;
  return report('trace', figures, {
    slowdown1cpu: figures.slowdown1cpu.value,
    slowdown2cpu: figures.slowdown2cpu.value,
  });
}
