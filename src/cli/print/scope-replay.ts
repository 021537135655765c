// What would have alarmed while a scope was learned.
import type { ScopeReplay, ServiceReplay } from '../../model/scope-replay.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayShortTime, sayTime, severityStyle } from './words.ts';

type WouldBe = ServiceReplay['alarms'][number];

const columns: readonly Column<WouldBe>[] = [
  { title: 'SEVERITY', cell: ({ severity }) => severity, style: ({ severity }) => severityStyle(severity) },
  { title: 'RISK', cell: ({ risk }) => Math.round(risk), align: 'right' },
  { title: 'COUNT', cell: ({ count: times }) => times, align: 'right' },
  { title: 'FIRST (UTC)', cell: ({ firstAt }) => sayShortTime(firstAt) },
  { title: 'VM', cell: ({ vmName }) => vmName, gives: true },
  { title: 'WHAT', cell: ({ title }) => title, gives: true },
];

export function printScopeReplay({ scope, learnedUntil, services, notes }: ScopeReplay, page: Page): string {
  return [
    `${scope}: what would have alarmed${learnedUntil === null ? '' : `, had learning ended ${sayTime(learnedUntil)}`}; nothing was changed`,
    ...services.flatMap((service) => [
      page.paint('heading', `${scope}/${service.service}`),
      ...printServiceReplay(service, page),
    ]),
    ...notes.map((note) => `Note: ${visible(note)}`),
  ].join('\n');
}

export function printServiceReplay(
  { period, judged, deviations, alarms, alarmsDropped }: ServiceReplay,
  page: Page,
): string[] {
  return [
    period === null
      ? '  nothing is kept of it'
      : `  ${judged} judged from ${sayTime(period.from)} to ${sayTime(period.until)}: ${count(deviations, 'deviation')} in ${count(alarms.length + alarmsDropped, 'alarm')}`,
    ...(alarms.length === 0 ? [] : [table(columns, alarms, page)]),
    ...(alarmsDropped === 0 ? [] : [`and ${count(alarmsDropped, 'more alarm')} beyond the limit`]),
  ];
}
