// Gathers what a call is told, each text cut to what its shape allows.
import { isoTime } from '../../kit/clock.ts';
import type { Alarm } from '../../model/alarm.ts';
import { callFactsVersion, type CallFacts } from '../../model/call-facts.ts';
import type { Activity } from '../../model/observation.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Step } from '../../model/remediation.ts';
import { measureKey } from '../../stages/respond/steps.ts';
import { alarmById } from '../store/alarms.ts';
import { memberOfVm } from '../store/applications.ts';
import type { Db } from '../store/tables.ts';
import { vmById } from '../store/vms.ts';

/** `consoleUrl` = where people open the console; null = nobody said. */
export async function callFacts(
  db: Db,
  step: Step,
  { plan, state, steps }: PlanRun,
  consoleUrl: string | null,
  atMs: number,
): Promise<CallFacts> {
  const alarm = plan.alarm === null ? null : await alarmById(db, plan.alarm);
  const member = await memberOfVm(db, step.vm);
  const name = (await vmById(db, step.vm))?.name ?? step.vm;
  return {
    version: callFactsVersion,
    id: measureKey(step),
    call: step.call ?? '',
    at: isoTime(atMs),
    vm: { id: cut(step.vm, 256), name: cut(name, 256), scope: member?.scope ?? null, service: member?.service ?? null },
    alarm: alarm === null ? null : alarmFacts(alarm),
    plan: {
      id: plan.id,
      by: cut(plan.by, 256),
      why: cut(plan.why, 1000),
      state,
      steps: plan.steps.map(({ action, call = null }, at) => ({ action, call, state: steps[at]?.state ?? 'waiting' })),
    },
    console: consoleUrl === null ? null : linkTo(consoleUrl, alarm?.id ?? null),
  };
}

function alarmFacts(alarm: Alarm): NonNullable<CallFacts['alarm']> {
  const { id, kind, severity, risk, firstAt, lastAt, count, finding } = alarm;
  const reasons = (finding?.reasons ?? []).toSorted((a, b) => b.points - a.points).slice(0, 20);
  return {
    id,
    kind,
    title: cut(alarm.title, 1000),
    severity,
    risk,
    firstAt,
    lastAt,
    count,
    reasons: reasons.map(({ text }) => cut(text, 500)),
    activity: finding === null ? null : activityFacts(finding.deviation.activity),
  };
}

function activityFacts(activity: Activity): NonNullable<NonNullable<CallFacts['alarm']>['activity']> {
  const { kind, image } = activity;
  const isConnection = activity.kind === 'outbound' || activity.kind === 'inbound';
  const exe = image?.exe ?? null;
  return {
    kind,
    executable: exe === null ? null : cut(exe, 1024),
    arguments: (image?.argv ?? []).slice(0, 32).map((argument) => cut(argument, 1024)),
    peer: isConnection ? cut(activity.remoteAddr, 64) : null,
    port: activity.kind === 'process' ? null : activity.kind === 'outbound' ? activity.remotePort : activity.localPort,
    protocol: activity.kind === 'process' ? null : activity.proto,
  };
}

/** The console opens at the alarm that stands behind the hash. */
function linkTo(consoleUrl: string, alarm: string | null): string {
  return alarm === null ? consoleUrl : `${consoleUrl.replace(/\/$/, '')}/#alarm=${encodeURIComponent(alarm)}`;
}

function cut(text: string, lengthMax: number): string {
  return text.slice(0, lengthMax).toWellFormed();
}
