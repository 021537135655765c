// Remote platforms as people read them: whether each answers, what it can do, and what it says of its VMs.
import type { PlatformHealth, PlatformSight } from '../../model/platform.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayTime } from './words.ts';

export function printPlatforms(platforms: readonly PlatformHealth[], page: Page): string {
  if (platforms.length === 0)
    return 'No platform is configured. See docs/platforms.md for `platforms` in the configuration of the manager.';
  return platforms.map((platform) => [sayPlatform(platform, page), ...details(platform, page)].join('\n')).join('\n\n');
}

/** One line, as in `status`. */
export function sayPlatform(platform: PlatformHealth, page: Page): string {
  const { name, kind, place, state, since, why, vms, lastReadAt, measures } = platform;
  const stated =
    state === 'reachable'
      ? page.paint('good', `reachable since ${sayTime(since)}`)
      : state === 'away'
        ? page.paint('bad', `away since ${sayTime(since)}: ${visible(why ?? '')}`)
        : 'not asked yet';
  const held = measures.wanted === 0 ? '' : `; ${count(measures.wanted, 'measure')} held`;
  const read = lastReadAt === null ? 'never read' : `read ${sayTime(lastReadAt)}`;
  return `${name} (${kind}, ${visible(place)}): ${stated}; ${count(vms, 'VM')}, ${read}${held}`;
}

function details(platform: PlatformHealth, page: Page): string[] {
  const { abilities, abilitiesOf, gaps, isCut, measures } = platform;
  const able = abilities.filter(({ available }) => available).map(({ action }) => action);
  const { putBack, notPutBack } = measures;
  return [
    ...sayChanges(platform, page),
    ...(abilitiesOf === null ? [] : [`  can      ${able.join(', ')} (asked about ${visible(abilitiesOf)})`]),
    ...abilities
      .filter(({ available }) => !available)
      .map(({ action, why }) => `  cannot   ${action}: ${visible(why ?? 'it does not say why')}`),
    ...(putBack + notPutBack === 0
      ? []
      : [page.paint('bad', `  measures ${putBack} times one was missing and put back, ${notPutBack} times not`)]),
    ...(isCut ? [page.paint('warn', '  gap      it has more VMs than were read')] : []),
    ...gaps.map((gap) => page.paint('warn', `  gap      ${visible(gap)}`)),
  ];
}

/** Of one that does not answer, that is said already. */
function sayChanges({ state, changes }: PlatformHealth, page: Page): string[] {
  if (state !== 'reachable') return [];
  const since = sayTime(changes.since);
  switch (changes.state) {
    case 'followed':
      return [`  changes  followed since ${since}`];
    case 'polled':
      return ['  changes  seen when it is read next; it tells of none'];
    case 'broken':
      return [
        page.paint(
          'warn',
          `  changes  not followed since ${since}, seen when it is read next: ${visible(changes.why ?? '')}`,
        ),
      ];
  }
}

export function printPlatformVms(vms: readonly PlatformSight[], page: Page): string {
  if (vms.length === 0) return 'It has said of no VM yet.';
  const columns: readonly Column<PlatformSight>[] = [
    { title: 'VM', cell: ({ name }) => name, gives: true },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'HOST', cell: ({ host }) => host, gives: true },
    { title: 'WATCHED', cell: ({ isWatched }) => (isWatched ? 'by a sentinel' : 'no') },
    { title: 'CARDS', cell: ({ cards }) => cards.map(sayCard).join(', '), gives: true },
    { title: 'ADDRESSES', cell: ({ addresses }) => addresses.join(' '), gives: true },
    { title: 'TAGS', cell: ({ tags }) => tags.join(', '), gives: true },
    { title: 'MEASURES', cell: ({ measures }) => measures.map((one) => one.slice(0, 24)).join(', ') },
    { title: 'ID', cell: ({ vm }) => vm, gives: true },
  ];
  return table(columns, vms, page);
}

function sayCard({ id, mac, isConnected }: PlatformSight['cards'][number]): string {
  return `${id} ${mac}${isConnected ? '' : ' (down)'}`;
}
