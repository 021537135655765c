// Alarms, what was answered to them, and what allowing one would admit.
import type { AlarmDetail, Allowance } from '../../model/alarm-detail.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Finding } from '../../model/finding.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Page } from './page.ts';
import { idColumns, sayRest, type Paged } from './records.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import {
  count,
  remediationStyle,
  sayActivity,
  sayBehaviour,
  sayProvenance,
  sayShortTime,
  sayTime,
  severityStyle,
} from './words.ts';

const alarmColumns: readonly Column<Alarm>[] = [
  { title: 'ALARM', cell: ({ id }) => id.slice(0, idColumns) },
  { title: 'SEVERITY', cell: ({ severity }) => severity, style: ({ severity }) => severityStyle(severity) },
  { title: 'RISK', cell: ({ risk }) => Math.round(risk), align: 'right' },
  { title: 'STATUS', cell: ({ status }) => status, style: ({ status }) => (status === 'open' ? null : 'quiet') },
  { title: 'LAST (UTC)', cell: ({ lastAt }) => sayShortTime(lastAt) },
  { title: 'COUNT', cell: ({ count: times }) => times, align: 'right' },
  { title: 'VM', cell: ({ vmName }) => vmName, gives: true },
  { title: 'WHAT', cell: ({ title }) => title, gives: true },
];

export function printAlarms(alarms: Paged<Alarm>, page: Page): string {
  return alarms.items.length === 0 ? 'No alarms.' : table(alarmColumns, alarms.items, page) + sayRest(alarms);
}

/** One alarm on one line, for following. */
export function printAlarmLine(alarm: Alarm, page: Page): string {
  const answered = alarm.status === 'open' ? '' : ` (${alarm.status})`;
  const severity = page.paint(severityStyle(alarm.severity), alarm.severity);
  return `${sayTime(alarm.lastAt)}  ${alarm.id.slice(0, idColumns)}  ${severity}  ${visible(alarm.vmName)}  ${visible(alarm.title)}${answered}`;
}

export function printAlarm(detail: AlarmDetail, page: Page): string {
  const { alarm, activities, activitiesDropped, remediations, pending, changes, retired, settled } = detail;
  const place = [alarm.scope, alarm.service].filter((part) => part !== null).join('/');
  const lines = [
    page.paint('heading', visible(alarm.title)),
    `alarm     ${alarm.id}`,
    `severity  ${page.paint(severityStyle(alarm.severity), alarm.severity)}, risk ${Math.round(alarm.risk)} of 100`,
    `status    ${alarm.status}${settled === null ? '' : ` by ${visible(settled.by)}, ${sayTime(settled.at)}`}`,
    `vm        ${visible(alarm.vmName)}${place === '' ? '' : ` in ${place}`} (${visible(alarm.vm)})`,
    `seen      ${count(alarm.count, 'time')}, ${sayTime(alarm.firstAt)} to ${sayTime(alarm.lastAt)}`,
    ...(alarm.finding === null ? [] : explained(alarm.finding, page)),
    ...section('Seen', [
      ...activities.map(sayActivity),
      ...(activitiesDropped === 0 ? [] : [`and ${activitiesDropped} more that are not kept`]),
    ]),
    ...section(
      'Answered',
      remediations.map((remediation) => sayRemediation(remediation, page)),
    ),
    ...section(
      'Admitted before',
      changes.map(
        ({ id, until }) =>
          `by change ${visible(id.slice(0, 8))} until ${sayTime(until)}, and taken into no manifest: plumbline manifest accept --change ${visible(id.slice(0, 8))}`,
      ),
    ),
    ...section(
      'Retired before',
      retired.map(
        ({ by, at, lastUsedAt, behaviour }) =>
          `the entry that allowed it was retired on ${sayTime(at)} by ${visible(by)}, last used ${sayTime(lastUsedAt)}: ${sayBehaviour(behaviour)}`,
      ),
    ),
    ...section('Waiting for a person', waitingPlans(pending)),
  ];
  return lines.join('\n');
}

/** One line for each plan, whose steps stand together. */
function waitingPlans(pending: AlarmDetail['pending']): string[] {
  const waiting = Map.groupBy(
    pending.filter(({ answeredBy }) => answeredBy === null),
    ({ plan }) => plan,
  );
  return [...waiting].map(([plan, steps]) => {
    const actions = steps.map(({ action }) => action).join(', ');
    return `${actions}, since ${sayTime(steps[0]?.since ?? null)}: plumbline approve ${plan.slice(0, idColumns)}`;
  });
}

function explained({ deviation, reasons }: Finding, page: Page): string[] {
  const { nearest, generation, activity } = deviation;
  return [
    ...section('What deviates', [sayActivity(activity)]),
    ...section(
      `Nearest allowed (manifest generation ${generation})`,
      nearest === null
        ? ['nothing of the kind is allowed']
        : [
            sayBehaviour(nearest.behaviour),
            ...nearest.differences.map(
              ({ field, allowed, seen }) =>
                `  ${visible(field)}: allowed ${page.paint('good', visible(allowed))}, seen ${page.paint('bad', visible(seen))}`,
            ),
          ],
    ),
    ...section(
      'Why this risk',
      reasons.map(({ points, text, factor }) => `${signed(points).padStart(4)}  ${visible(text)} (${visible(factor)})`),
    ),
  ];
}

export function printAllowance({ preview, entries, members, alsoAllowed, notes }: Allowance): string {
  const verb = preview ? 'Would enter' : 'Entered';
  return [
    `${verb} ${count(entries.length, 'behaviour')} into the ${count(members.length, 'manifest')} of ${members.map(({ name }) => visible(name)).join(', ') || 'nobody'}${preview ? '; nothing was changed' : ''}.`,
    ...section(
      'Behaviours',
      entries.flatMap(({ entry, admits }) => [
        `${sayBehaviour(entry.behaviour)} [${visible(sayProvenance(entry.provenance))}]`,
        `  admits ${visible(admits)}`,
      ]),
    ),
    ...section(
      'Manifests',
      members.map(
        ({ name, generation }) => `${visible(name)}${generation === null ? '' : ` generation ${generation}`}`,
      ),
    ),
    ...section(
      preview ? 'Other alarms this would settle' : 'Other alarms settled by this',
      alsoAllowed.map((id) => id.slice(0, idColumns)),
    ),
    ...section('Note', notes.map(visible)),
  ].join('\n');
}

export function sayRemediation(
  { step, state, evidence, by, platform, startedAt, endedAt }: Remediation,
  page: Page,
): string {
  const through = platform === undefined ? '' : ` through platform ${visible(platform)}`;
  const readBack = evidence === '' ? '' : `: ${visible(evidence)}`;
  const what = step.call === undefined ? step.action : `${step.action} ${step.call}`;
  return `${what} ${page.paint(remediationStyle(state), state)}${readBack} (by ${visible(by)}${through}, ${sayTime(endedAt ?? startedAt)})`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function signed(points: number): string {
  return points < 0 ? String(points) : `+${points}`;
}
