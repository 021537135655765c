// How every bench measures and what it prints: one object, figures with their spread, ratios taken inside one run.
import { cpus, loadavg, totalmem } from 'node:os';

export interface Figure {
  readonly value: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  readonly p50?: number;
  readonly p99?: number;
}

export interface BenchReport {
  readonly name: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memory: string;
    readonly node: string;
    readonly load: number;
  };
  readonly figures: Readonly<Record<string, Figure>>;
  readonly ratios: Readonly<Record<string, number>>;
}

/** The median of the samples with their spread; percentiles when there are enough samples to speak of them. */
export function figure(samples: readonly number[], unit: string): Figure {
  if (samples.length === 0) throw new RangeError('a figure needs at least one sample');
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  const base = { value: at(0.5), unit, min: at(0), max: at(1), runs: samples.length };
  return samples.length >= 20 ? { ...base, p50: at(0.5), p99: at(0.99) } : base;
}

export function report(
  name: string,
  figures: Readonly<Record<string, Figure>>,
  ratios: Readonly<Record<string, number>>,
): BenchReport {
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    load: round(loadavg()[0] ?? 0),
  };
  return {
    name,
    machine,
    figures,
    ratios: Object.fromEntries(Object.entries(ratios).map(([key, value]) => [key, round(value)])),
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
