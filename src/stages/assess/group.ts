// Folds findings of one group on one VM into the alarm an operator sees. Whatever order findings arrive in, the alarm is the same.
import type { Alarm } from '../../model/alarm.ts';
import type { Finding } from '../../model/finding.ts';
import { title } from './assess.ts';

export interface AlarmIds {
  /** Of the alarm, when it is new. */
  readonly id: string;
  readonly vmName: string;
  readonly scope: string | null;
  readonly service: string | null;
}

export function raise(existing: Alarm | null, finding: Finding, ids: AlarmIds): Alarm {
  const { vm, at } = finding.deviation;
  if (existing === null)
    return {
      id: ids.id,
      kind: 'deviation',
      vm,
      vmName: ids.vmName,
      scope: ids.scope,
      service: ids.service,
      title: title(finding),
      severity: finding.severity,
      risk: finding.risk,
      status: 'open',
      firstAt: at,
      lastAt: at,
      count: 1,
      group: finding.group,
      finding,
      remediations: [],
    };
  const worst = existing.finding === null || isWorse(finding, existing.finding) ? finding : existing.finding;
  return {
    ...existing,
    vmName: ids.vmName,
    title: title(worst),
    severity: worst.severity,
    risk: worst.risk,
    // Closing said "dealt with"; it has come back. Allowing said "expected"; what is still under way when it was said is too.
    status: existing.status === 'closed' ? 'open' : existing.status,
    firstAt: isBefore(at, existing.firstAt) ? at : existing.firstAt,
    lastAt: isBefore(existing.lastAt, at) ? at : existing.lastAt,
    count: existing.count + 1,
    finding: worst,
  };
}

function isWorse(a: Finding, b: Finding): boolean {
  return a.risk === b.risk ? isBefore(a.deviation.at, b.deviation.at) : a.risk > b.risk;
}

function isBefore(a: string, b: string): boolean {
  const difference = Date.parse(a) - Date.parse(b);
  return difference === 0 ? a < b : difference < 0;
}
