// How an alarm or a remediation reads as a syslog message: few, stable names, so that a receiver's rules go on working.
import type { Severity } from '../../../model/finding.ts';
import type { SyslogMessage } from '../../../protocols/syslog/rfc5424.ts';
import type { Notice } from '../notice.ts';

/** critical, error, warning, notice (RFC 5424 section 6.2.1). */
const levels: Readonly<Record<Severity, number>> = { critical: 2, serious: 3, minor: 4, info: 5 };

/** 32473 is the enterprise number kept for documentation (RFC 5612); Plumbline has none of its own. */
const enterprise = 32473;

export function messageOf(
  notice: Notice,
  { facility, hostname }: { readonly facility: number; readonly hostname: string },
): SyslogMessage {
  const common = { facility, hostname, app: 'plumbline', procid: '-', msgid: notice.kind };
  if (notice.kind === 'alarm') {
    const { alarm } = notice;
    return {
      ...common,
      severity: levels[alarm.severity],
      at: alarm.lastAt,
      data: {
        id: `alarm@${enterprise}`,
        params: {
          id: alarm.id,
          kind: alarm.kind,
          vm: alarm.vm,
          vmName: alarm.vmName,
          scope: alarm.scope ?? '',
          service: alarm.service ?? '',
          severity: alarm.severity,
          risk: String(alarm.risk),
          status: alarm.status,
          count: String(alarm.count),
        },
      },
      text: alarm.title,
    };
  }
  const { remediation } = notice;
  return {
    ...common,
    severity: remediation.state === 'done' ? 5 : 4,
    at: remediation.endedAt ?? remediation.startedAt,
    data: {
      id: `remediation@${enterprise}`,
      params: {
        id: remediation.id,
        vm: remediation.step.vm,
        action: remediation.step.action,
        state: remediation.state,
        origin: remediation.origin,
        by: remediation.by,
        alarm: remediation.alarm ?? '',
      },
    },
    text: `${remediation.step.action}: ${remediation.state}. ${remediation.evidence}`,
  };
}
