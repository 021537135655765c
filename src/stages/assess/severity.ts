// From risk to the four words an operator filters by.
import type { Severity } from '../../model/finding.ts';

const thresholds: readonly (readonly [number, Severity])[] = [
  [70, 'critical'],
  [40, 'serious'],
  [20, 'minor'],
];

export function severityOf(risk: number): Severity {
  return thresholds.find(([from]) => risk >= from)?.[1] ?? 'info';
}
