// Which alarms a person wants to see, from the options of `alarms`.
import type { Alarm, AlarmStatus } from '../../model/alarm.ts';
import { severityOrder, type Severity } from '../../model/finding.ts';
import type { Words } from '../verb.ts';

export const alarmStatuses = ['open', 'allowed', 'closed', 'all'] as const;

export interface AlarmFilter {
  readonly scope?: string;
  readonly vm?: string;
  readonly status?: AlarmStatus;
  readonly minSeverity?: Severity;
}

export function filterOf(words: Words): AlarmFilter {
  const scope = words.maybe('scope');
  const vm = words.maybe('vm');
  const status = words.choice('status', alarmStatuses) ?? 'open';
  const minSeverity = words.choice('severity', severityOrder);
  return {
    ...(scope === undefined ? {} : { scope }),
    ...(vm === undefined ? {} : { vm }),
    ...(status === 'all' ? {} : { status }),
    ...(minSeverity === undefined ? {} : { minSeverity }),
  };
}

/**
 * Whether a change of an alarm belongs to what is followed. The status is left out: that an alarm stops being open is what
 * whoever follows the open ones wants to know.
 */
export function concerns({ scope, minSeverity }: AlarmFilter, vmId: string | null, alarm: Alarm): boolean {
  if (scope !== undefined && alarm.scope !== scope) return false;
  if (vmId !== null && alarm.vm !== vmId) return false;
  return minSeverity === undefined || severityOrder.indexOf(alarm.severity) >= severityOrder.indexOf(minSeverity);
}
