// What a manifest would have said about recorded behaviour.
import type { ReplayFinding, ReplayReport } from '../../evaluate/replay.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayShortTime, severityStyle } from './words.ts';

const columns: readonly Column<ReplayFinding>[] = [
  { title: 'SEVERITY', cell: ({ severity }) => severity, style: ({ severity }) => severityStyle(severity) },
  { title: 'RISK', cell: ({ risk }) => Math.round(risk), align: 'right' },
  { title: 'COUNT', cell: ({ count: times }) => times, align: 'right' },
  { title: 'FIRST (UTC)', cell: ({ firstAt }) => sayShortTime(firstAt) },
  { title: 'HOST', cell: ({ host }) => host, gives: true },
  { title: 'WHAT', cell: ({ title }) => title, gives: true },
];

export function printReplay(report: ReplayReport, page: Page): string {
  const { lines, judged, allowed, deviations, findings, findingsDropped, losses, skipped, unusableFields } = report;
  return [
    ...(findings.length === 0 ? [] : [table(columns, findings, page)]),
    ...(findingsDropped === 0 ? [] : [`and ${count(findingsDropped, 'more group')} beyond the limit`]),
    `${count(lines, 'line')}, ${judged} judged: ${allowed} allowed, ${count(deviations, 'deviation')} in ${count(findings.length, 'alarm')}`,
    ...(losses === 0
      ? []
      : [page.paint('warn', `${count(losses, 'loss', 'losses')}: at these times something may have gone unseen`)]),
    ...skipped.map(
      ({ reason, count: times, first }) =>
        `skipped ${count(times, 'line')}: ${visible(reason)} First: ${visible(first)}`,
    ),
    ...unusableFields.map(
      ({ field, count: times }) => `unusable ${visible(field)} in ${count(times, 'line')}, counted as unknown`,
    ),
  ].join('\n');
}
