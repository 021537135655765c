// What the introspection bench promises to report, and its samples as a report. Apart from the bench so that a test need not run it.
import { figure, report, type BenchReport, type Figure } from './measure.ts';

/** Unit of each figure. */
const units = {
  /** From the command line of QEMU to a session, the kernel learned from memory; the monitor's greeting included. */
  attachColdMs: 'ms',
  /** The same with the kernel's profile kept from before. */
  attachCachedMs: 'ms',
  /** A sweep of processes and sockets when little changes, by number of processes. */
  sweepMs75: 'ms',
  sweepMs255: 'ms',
  sweepMs1055: 'ms',
  sweepLightMs1055: 'ms',
  /** The bytes of the last but one, read again with one plain read per stretch and nothing done with them. */
  plainReadMs1055: 'ms',
  /** A whole sentinel process that watches three virtual machines. */
  rssMiB: 'MiB',
  /** What it takes of one processor for each of them while nothing happens in it. */
  cpuPercentPerIdleVm: '%',
} as const;

export type FigureName = keyof typeof units;
export type Samples = Readonly<Record<FigureName, readonly number[]>>;

export const figureNames = Object.keys(units) as readonly FigureName[];

export function introspectionReport(samples: Samples): BenchReport {
  const figures = Object.fromEntries(
    figureNames.map((name) => [name, figure(samples[name], units[name])] as const),
  ) as Readonly<Record<FigureName, Figure>>;
  return report('introspection', figures, {
    sweepVsPlainRead: figures.sweepMs1055.value / figures.plainReadMs1055.value,
  });
}
