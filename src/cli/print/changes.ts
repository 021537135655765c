// Changes of VMs with what they admitted, and entries that wait for a person.
import type { Change } from '../../model/change.ts';
import type { Decided, HeldEntry } from '../../model/held-entry.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayBehaviour, sayShortTime, sayTime } from './words.ts';

/** Enough of an id to name it by. */
const idColumns = 8;

const changeColumns: readonly Column<Change>[] = [
  { title: 'CHANGE', cell: ({ id }) => id.slice(0, idColumns) },
  { title: 'STATE', cell: stateOf, style: ({ open }) => (open ? 'warn' : 'quiet') },
  { title: 'CAUSE', cell: ({ cause }) => cause },
  { title: 'SERVICE', cell: ({ scope, service }) => `${scope}/${service}` },
  { title: 'MEMBERS', cell: ({ members }) => members.map(({ name }) => name).join(', '), gives: true },
  { title: 'UNTIL (UTC)', cell: ({ until, closed }) => sayShortTime(closed?.at ?? until) },
  { title: 'ADMITTED', cell: ({ admitted }) => admitted.times, align: 'right' },
  { title: 'WAITING', cell: ({ admitted }) => admitted.waiting, align: 'right' },
  { title: 'RISK', cell: ({ admitted }) => Math.round(admitted.risk), align: 'right' },
  { title: 'BRINGS', cell: brings, gives: true },
];

export function printChanges(changes: readonly Change[], page: Page): string {
  return changes.length === 0 ? 'No changes.' : table(changeColumns, changes, page);
}

export function printChange(change: Change, page: Page): string {
  const { id, cause, scope, service, members, by, until, admitted, closed } = change;
  const { behaviours, times, waiting, notKept, risk } = admitted;
  const lost = notKept === 0 ? '' : `, ${count(notKept, 'more behaviour')} not kept`;
  return [
    `${page.paint('heading', `change ${visible(id)}`)} is ${stateOf(change)}`,
    `${cause} by ${visible(by)} for ${members.map(({ name }) => visible(name)).join(', ') || 'nobody'} of ${scope}/${service}`,
    `brings ${visible(brings(change))}`,
    closed === null ? `until ${sayTime(until)}` : `closed by ${visible(closed.by)}, ${sayTime(closed.at)}`,
    times === 0
      ? 'admitted nothing yet'
      : `admitted ${count(behaviours, 'behaviour')}, ${count(times, 'time')}, risk up to ${Math.round(risk)}${lost}`,
    ...(waiting === 0
      ? []
      : [`${count(waiting, 'behaviour')} of them wait: plumbline manifest held ${scope}/${service}`]),
  ].join('\n');
}

const heldColumns: readonly Column<HeldEntry>[] = [
  { title: 'ENTRY', cell: ({ id }) => id.slice(0, 12) },
  { title: 'SERVICE', cell: ({ scope, service }) => `${scope}/${service}` },
  { title: 'RISK', cell: ({ risk }) => (risk === null ? null : Math.round(risk)), align: 'right' },
  { title: 'COUNT', cell: ({ count: times }) => times, align: 'right' },
  { title: 'LAST (UTC)', cell: ({ lastAt }) => sayShortTime(lastAt) },
  { title: 'DECIDED', cell: ({ decision }) => (decision === null ? null : `${decision.verdict} by ${decision.by}`) },
  { title: 'BEHAVIOUR', cell: ({ behaviour }) => sayBehaviour(behaviour), gives: true },
  { title: 'WAITS BECAUSE', cell: ({ why }) => why, gives: true },
];

export function printHeldEntries(entries: readonly HeldEntry[], page: Page): string {
  return entries.length === 0 ? 'No entry waits.' : table(heldColumns, entries, page);
}

export function printDecided({ verdict, entries, issued }: Decided): string {
  return [
    ...entries.map(({ id, behaviour }) => `${verdict} ${id.slice(0, 12)}: ${sayBehaviour(behaviour)}`),
    ...issued.map(({ name, generation }) => `issued   manifest of ${visible(name)}, generation ${generation}`),
  ].join('\n');
}

function stateOf({ open, closed }: Change): string {
  if (open) return 'open';
  return closed === null ? 'over' : 'closed';
}

function brings({ packages, programs, ports }: Change): string {
  return [...packages, ...programs, ...ports.map((port) => `port ${port}`)].join(' ') || 'whatever its packages bring';
}
