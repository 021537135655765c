// Entries that nobody uses any more, and what would alarm without them.
import type { Retired, Retirement, ServiceRetirement, UnusedEntry } from '../../model/retirement.ts';
import type { Page } from './page.ts';
import { printServiceReplay } from './scope-replay.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayBehaviour, sayShortTime, sayTime } from './words.ts';

const columns: readonly Column<UnusedEntry>[] = [
  { title: 'ENTRY', cell: ({ entry }) => entry.id.slice(0, 12) },
  { title: 'LAST USED (UTC)', cell: ({ lastUsedAt }) => sayShortTime(lastUsedAt) },
  { title: 'QUIET DAYS', cell: ({ quietDays }) => quietDays, align: 'right' },
  { title: 'NEEDED', cell: ({ neededDays }) => neededDays, align: 'right' },
  { title: 'BEHAVIOUR', cell: ({ entry }) => sayBehaviour(entry.behaviour), gives: true },
  { title: 'BECAUSE', cell: ({ why }) => why, gives: true },
];

export function printRetirement({ scope, services, afterDays, replayDays }: Retirement, page: Page): string {
  const some = services.some(({ unused }) => unused.length > 0);
  return [
    `${scope}: entries that were not used for ${count(afterDays, 'day')}; nothing was changed`,
    ...services.flatMap((service) => printService(scope, service, replayDays, page)),
    ...(some ? [`Retire them: plumbline manifest retire ${scope} --entry ENTRY, or --all`] : []),
  ].join('\n');
}

function printService(scope: string, service: ServiceRetirement, replayDays: number, page: Page): string[] {
  const { unused, entries, learned, retired, notes } = service;
  return [
    page.paint('heading', `${scope}/${service.service}`),
    `  ${unused.length} of ${count(entries, 'entry', 'entries')} (${learned} learned) unused`,
    ...(unused.length === 0
      ? []
      : [
          table(columns, unused, page),
          `  had they been gone for the last ${count(replayDays, 'day')}:`,
          ...printServiceReplay(service.replay, page),
        ]),
    ...retired.map(
      ({ entry, at, by, behaviour }) =>
        `  retired ${visible(entry.slice(0, 12))} on ${sayTime(at)} by ${visible(by)}: ${sayBehaviour(behaviour)}`,
    ),
    ...notes.map((note) => `  Note: ${visible(note)}`),
  ];
}

export function printRetired({ preview, retired, replay, issued }: Retired, page: Page): string {
  return [
    ...retired.map(
      ({ entry }) =>
        `${preview ? 'would retire' : 'retired'} ${entry.id.slice(0, 12)}: ${sayBehaviour(entry.behaviour)}`,
    ),
    ...(preview ? ['what would have alarmed; nothing was changed:', ...printServiceReplay(replay, page)] : []),
    ...issued.map(({ name, generation }) => `issued  manifest of ${visible(name)}, generation ${generation}`),
  ].join('\n');
}
