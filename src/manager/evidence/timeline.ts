// What happened, by time, each entry with who says so. What failed, was left unconfirmed or could not be kept stands among the rest.
import type { EvidenceItem, TimelineEntry } from '../../model/evidence.ts';
import { timelineMax } from '../../model/evidence.ts';
import type { Activity } from '../../model/observation.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Remediation } from '../../model/remediation.ts';
import { sayRemoval } from '../ingest/evidence.ts';
import type { Gathered } from './gather.ts';
import { sayHost } from './own-items.ts';

const whatMax = 2000;
const sourceMax = 300;

/** `leftOut` = the oldest entries beyond the limit. */
export function timelineOf(gathered: Gathered): { entries: TimelineEntry[]; leftOut: number } {
  const { alarm, plans, remediations, items, audit, manifests, inventory } = gathered;
  const host = inventory === null ? 'its sentinel' : `sentinel of ${inventory.host}`;
  const entries: TimelineEntry[] = [
    ...manifests.map(({ generation, issuedAt }) =>
      entry(issuedAt, 'manager', `manifest generation ${generation} issued`),
    ),
    ...(alarm?.activities ?? []).map((activity) => entry(activity.at, host, sayActivity(activity))),
    ...(alarm === null
      ? []
      : [
          entry(alarm.alarm.firstAt, host, `alarm ${alarm.alarm.id} began: ${alarm.alarm.title}`),
          ...(alarm.alarm.count > 1
            ? [entry(alarm.alarm.lastAt, host, `alarm ${alarm.alarm.id}: seen ${alarm.alarm.count} times until now`)]
            : []),
          ...(alarm.settled === null
            ? []
            : [
                entry(
                  alarm.settled.at,
                  'manager',
                  `alarm ${alarm.alarm.id} ${alarm.alarm.status} by ${alarm.settled.by}`,
                ),
              ]),
        ]),
    ...plans.flatMap(planEntries),
    ...remediations.flatMap((remediation) => remediationEntries(remediation, host)),
    ...items.flatMap(({ item }) => itemEntries(item)),
    ...audit.map(({ at, by, verb, subject, outcome, detail }) =>
      entry(at, `audit log: ${by}`, `${verb} ${subject}: ${outcome}${detail === '' ? '' : `. ${detail}`}`),
    ),
  ];
  const sorted = entries.toSorted((a, b) => instantOf(a) - instantOf(b));
  return { entries: sorted.slice(-timelineMax), leftOut: Math.max(0, sorted.length - timelineMax) };
}

function planEntries({ plan, state, beganAt, changedAt, decidedBy, note, steps }: PlanRun): TimelineEntry[] {
  const asked = plan.steps.map(({ action }, index) => `${action} ${steps[index]?.state ?? 'waiting'}`).join(', ');
  return [
    entry(plan.madeAt, 'manager', `plan ${plan.id} made by ${plan.by}: ${plan.why}`),
    ...(beganAt === null
      ? []
      : [entry(beganAt, 'manager', `plan ${plan.id} begun${decidedBy === null ? '' : `, decided by ${decidedBy}`}`)]),
    entry(changedAt, 'manager', `plan ${plan.id} is ${state}: ${asked}${note === '' ? '' : `; ${note}`}`),
  ];
}

function remediationEntries(remediation: Remediation, host: string): TimelineEntry[] {
  const { id, step, by, origin, state, evidence, startedAt, endedAt } = remediation;
  const source = origin === 'person' ? 'manager' : host;
  return [
    entry(startedAt, source, `remediation ${id} begun: ${step.action}, ${origin}, by ${by}: ${step.why}`),
    ...(endedAt === null
      ? state === 'executing'
        ? []
        : [entry(startedAt, host, `remediation ${id}: ${step.action} ${state}: ${evidence}`)]
      : [entry(endedAt, host, `remediation ${id}: ${step.action} ${state}: ${evidence}`)]),
  ];
}

function itemEntries(item: EvidenceItem): TimelineEntry[] {
  const source = sayHost(item.host);
  const { id, kind, step, madeAt, note } = item;
  const collected =
    item.state === 'lost'
      ? `${kind} of remediation ${step} lost (${id}): ${note}`
      : `${kind} of remediation ${step} collected as ${id}: ${item.name}, ${item.sizeBytes} bytes, sha256 ${item.sha256}; ${note}`;
  return [
    entry(madeAt, source, collected),
    ...(item.removedAt === null || item.removedBy === null
      ? []
      : [entry(item.removedAt, source, `${kind} ${id} removed ${sayRemoval(item.removedBy)}`)]),
  ];
}

function sayActivity(activity: Activity): string {
  const program = activity.image?.exe ?? 'an unknown program';
  const who = `pid ${activity.pid ?? 'unknown'}: ${program}`;
  if (activity.kind === 'process')
    return `${who} started by ${activity.parent?.exe ?? 'an unknown parent'}: ${activity.image.argv.join(' ')}`;
  if (activity.kind === 'listen')
    return `${who} listens on ${activity.proto} ${activity.localAddr}:${activity.localPort}`;
  const { proto, localAddr, localPort, remoteAddr, remotePort } = activity;
  const way = activity.kind === 'outbound' ? 'connects to' : 'is connected to by';
  return `${who} ${way} ${proto} ${remoteAddr}:${remotePort} at ${localAddr}:${localPort}`;
}

function entry(at: string, source: string, what: string): TimelineEntry {
  return { at, source: source.slice(0, sourceMax), what: what.slice(0, whatMax) };
}

/** Times come with and without fractions of a second, which do not compare as texts. */
function instantOf({ at }: TimelineEntry): number {
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? 0 : ms;
}
