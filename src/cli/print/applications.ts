// Scopes with their services, what was learned of them, and what a declaration or a change of mode did.
import type { Mode, Scope, Service } from '../../model/application.ts';
import type { Applied } from '../../model/declaration.ts';
import type { Completeness, DayForecast, KnownKind, Learning, ModeChange } from '../../model/learning.ts';
import type { Rule } from '../../model/rule.ts';
import { sayDuration } from '../duration.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayRule, sayTime } from './words.ts';

export function printScopes(scopes: readonly Scope[], page: Page): string {
  if (scopes.length === 0)
    return 'No scopes. Make one with `plumbline scope create NAME`, or all at once with `plumbline apply -f FILE`.';
  const columns: readonly Column<Scope>[] = [
    { title: 'SCOPE', cell: ({ name }) => name },
    { title: 'MODE', cell: ({ mode }) => mode },
    { title: 'SERVICES', cell: ({ services }) => services.map(({ name }) => name).join(', '), gives: true },
    {
      title: 'MEMBERS',
      cell: ({ services }) => services.reduce((n, { members }) => n + members.length, 0),
      align: 'right',
    },
    { title: 'DESCRIPTION', cell: ({ description }) => description, gives: true },
  ];
  return table(columns, scopes, page);
}

export function printScope(scope: Scope & { readonly learning: Learning['services'] }, page: Page): string {
  return [
    `${page.paint('heading', scope.name)} is in ${scope.mode}${scope.description === '' ? '' : `: ${visible(scope.description)}`}`,
    ...scope.services.flatMap((service) => {
      const learned = scope.learning.find((candidate) => candidate.service === service.name);
      return [
        '',
        printService(scope.name, service, page),
        ...(learned === undefined ? [] : learnedLines(learned.completeness, page)),
      ];
    }),
    ...(scope.services.length === 0 ? [`It has no services yet: plumbline service create ${scope.name}/NAME`] : []),
  ].join('\n');
}

export function printServices(services: readonly (Service & { scope: string; mode: Mode })[], page: Page): string {
  if (services.length === 0) return 'No services.';
  const columns: readonly Column<(typeof services)[number]>[] = [
    { title: 'SERVICE', cell: ({ scope, name }) => `${scope}/${name}` },
    { title: 'MODE', cell: ({ mode }) => mode },
    { title: 'MEMBERS', cell: sayMembers, gives: true },
    { title: 'RULES', cell: ({ rules }) => rules.length, align: 'right' },
    { title: 'DESCRIPTION', cell: ({ description }) => description, gives: true },
  ];
  return table(columns, services, page);
}

export function printService(scope: string, service: Service, page: Page): string {
  return [
    `${page.paint('heading', `${scope}/${service.name}`)}${service.description === '' ? '' : `: ${visible(service.description)}`}`,
    `  members  ${visible(sayMembers(service)) || 'none yet'}`,
    ...(service.sight === 'traced' ? ['  sight    traced: every process start and connection is seen'] : []),
    ...printRules(service.rules).map((line) => `  ${line}`),
  ].join('\n');
}

export function printRules(rules: readonly Rule[]): string[] {
  return rules.length === 0
    ? ['rules    none: deviations raise alarms only']
    : rules.map((rule) => `rule     ${sayRule(rule)}`);
}

type Membership = Pick<Service, 'members' | 'awaited'> & { readonly scope: string; readonly service: string };

export function printMembers(services: readonly Membership[], page: Page): string {
  const rows = services.flatMap(({ scope, service, members, awaited }) => [
    ...members.map(({ name, vm }) => ({ name, vm, place: `${scope}/${service}` })),
    ...awaited.map((name) => ({ name, vm: null, place: `${scope}/${service}` })),
  ]);
  if (rows.length === 0) return 'No members.';
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: 'MEMBER', cell: ({ name }) => name, gives: true },
    { title: 'SERVICE', cell: ({ place }) => place },
    { title: 'VM', cell: ({ vm }) => vm ?? 'awaited: no such VM has appeared yet', gives: true },
  ];
  return table(columns, rows, page);
}

export function printLearning(learning: Learning, page: Page): string {
  const lines = learning.services.flatMap(({ service, completeness, kinds, forecast }) => [
    page.paint('heading', `${learning.scope}/${service}`),
    ...learnedLines(completeness, page),
    ...kinds.map(sayKind),
    `  forecast ${sayForecast(forecast)}`,
  ]);
  return [`${learning.scope} is in ${learning.mode}`, ...lines].join('\n');
}

export function printModeChange({ scope, from, to, services, notes }: ModeChange, page: Page): string {
  const isSame = from === to;
  return [
    isSame ? `${scope} stays in ${to}` : `${scope} went from ${from} to ${to}`,
    ...services.flatMap(({ service, completeness, issued }) => [
      page.paint('heading', `${scope}/${service}`),
      ...(to === 'capture' ? [] : learnedLines(completeness, page)),
      ...issued.map(({ name, generation }) => `  issued   manifest of ${visible(name)}, generation ${generation}`),
    ]),
    ...notes.map((note) => `Note: ${visible(note)}`),
  ].join('\n');
}

export function printApplied({ changes, notes }: Applied, preview: boolean): string {
  const said = preview ? { created: 'would create', changed: 'would change', removed: 'would remove' } : null;
  return [
    ...changes.map(
      ({ verb, subject, detail }) =>
        `${said?.[verb] ?? verb} ${visible(subject)}${detail === '' ? '' : `: ${visible(detail)}`}`,
    ),
    ...(changes.length === 0 ? ['Nothing to change: everything is as declared.'] : []),
    ...notes.map((note) => `Note: ${visible(note)}`),
  ].join('\n');
}

function sayKind({ kind, entries, richness, missingMass }: KnownKind): string {
  const whole = Math.max(entries, Math.round(richness));
  return `  ${kind.padEnd(8)} ${entries} known of about ${whole}; the next one is new with ${(missingMass * 100).toFixed(1)} %`;
}

function sayForecast(forecast: DayForecast | null): string {
  if (forecast === null) return 'none: nobody was watched without loss';
  const { newPerDay, low, high, memberDays, least } = forecast;
  const floor = newPerDay > least ? '' : ', and so short a time claims no less';
  return `${sayNumber(newPerDay)} new behaviours a day (${sayNumber(low)} to ${sayNumber(high)}), from ${sayNumber(memberDays)} member-days${floor}`;
}

function sayNumber(n: number): string {
  return n < 10 ? n.toFixed(1) : String(Math.round(n));
}

function learnedLines(
  { entries, observedSeconds, lossSeconds, missed, lastNewAt, doubts }: Completeness,
  page: Page,
): string[] {
  const lost =
    lossSeconds === 0 && missed === 0
      ? ''
      : `, lost sight for ${sayDuration(lossSeconds * 1000)} (${count(missed, 'event')} missed)`;
  return [
    `  learned  ${count(entries, 'behaviour')}, watched ${sayDuration(observedSeconds * 1000)}${lost}`,
    ...(lastNewAt === null ? [] : [`  newest   ${sayTime(lastNewAt)}`]),
    ...doubts.map((doubt) => `  ${page.paint('warn', 'doubt')}    ${visible(doubt)}`),
  ];
}

function sayMembers({ members, awaited }: Pick<Service, 'members' | 'awaited'>): string {
  return [...members.map(({ name }) => name), ...awaited.map((name) => `${name} (awaited)`)].join(', ');
}
