// Incidents: in a list, and each as the tree of what led to what.
import type { Incident, IncidentLink } from '../../model/incident.ts';
import type { Page } from './page.ts';
import { idColumns } from './records.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayShortTime, sayTime, severityStyle } from './words.ts';

const columns: readonly Column<Incident>[] = [
  { title: 'INCIDENT', cell: ({ id }) => id.slice(0, idColumns) },
  { title: 'SEVERITY', cell: ({ severity }) => severity, style: ({ severity }) => severityStyle(severity) },
  { title: 'RISK', cell: ({ risk }) => Math.round(risk), align: 'right' },
  { title: 'ALARMS', cell: ({ alarms }) => alarms.length, align: 'right' },
  { title: 'FIRST (UTC)', cell: ({ firstAt }) => sayShortTime(firstAt) },
  { title: 'LAST (UTC)', cell: ({ lastAt }) => sayShortTime(lastAt) },
  { title: 'VMS', cell: ({ members }) => members.map(({ name }) => name).join(', '), gives: true },
  { title: 'GRAVEST', cell: ({ title }) => title, gives: true },
];

export function printIncidents(
  { items, alarmsLeftOut }: { items: readonly Incident[]; alarmsLeftOut: number },
  page: Page,
): string {
  const rest = alarmsLeftOut === 0 ? '' : `\n${count(alarmsLeftOut, 'older alarm')} left out`;
  return items.length === 0 ? 'No incidents.' : table(columns, items, page) + rest;
}

const links: Readonly<Record<IncidentLink, string>> = {
  first: '',
  started: 'it started: ',
  'owns-socket': 'its socket: ',
  connected: 'arrived: ',
  'same-server': 'out of the same server: ',
  'same-program': 'the same program: ',
  'at-the-time': 'at the time: ',
};

export function printIncident(
  { id, title, severity, risk, firstAt, lastAt, alarms, steps, stepsDropped }: Incident,
  page: Page,
): string {
  return [
    page.paint('heading', visible(title)),
    `incident  ${visible(id)}, ${page.paint(severityStyle(severity), severity)}, risk ${Math.round(risk)} of 100`,
    `alarms    ${alarms.map((alarm) => visible(alarm.slice(0, idColumns))).join(' ')}`,
    `seen      ${sayTime(firstAt)} to ${sayTime(lastAt)}`,
    '',
    ...steps.map(
      ({ depth, link, at, vmName, alarm, says }) =>
        `${sayTime(at)}  ${visible(vmName)}  ${'  '.repeat(Math.min(depth, depthShown))}${links[link]}${visible(says)} [${visible(alarm.slice(0, idColumns))}]`,
    ),
    ...(stepsDropped === 0 ? [] : [`and ${count(stepsDropped, 'more step')}`]),
  ].join('\n');
}

const depthShown = 20;
