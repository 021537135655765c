// What the trace bench promises to report, and its samples as a report. Apart from the bench so that a test need not run it.
import { figure, report, type BenchReport, type Figure } from './measure.ts';

/** Unit of each figure. */
const units = {
  /**
   * A loop that does nothing but start programs that return at once (vfork, exec of a static program, wait: some two milliseconds each
   * under emulation), by the host's clock: how many times as long it takes under the trace that a sentinel asks for. The worst there is:
   * no program does anything but begin.
   */
  slowdown1cpu: 'x',
  /** The same when at each stop nothing is done but to go on: what of it is QEMU's and the wire's. */
  slowdownOfBareStops: 'x',
  /** The same under a trace of every kind there is: three stops for each program. */
  slowdownOfAllKinds: 'x',
  /** The same with two processors and eight loops. */
  slowdown2cpu: 'x',
  /** Processor time of the tracer per stop of a sentinel's trace, all told: reading, understanding, telling. */
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
    slowdownOfBareStops: figures.slowdownOfBareStops.value,
    slowdownOfAllKinds: figures.slowdownOfAllKinds.value,
    slowdown2cpu: figures.slowdown2cpu.value,
  });
}
