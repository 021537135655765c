// Attempts that wait for a person while their VM stands still.
import type { HeldAttempt } from '../../model/vm.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { sayShortTime } from './words.ts';

type Held = HeldAttempt & { readonly vm: string; readonly name: string };

const columns: readonly Column<Held>[] = [
  { title: 'VM', cell: ({ name }) => name, gives: true },
  { title: 'SINCE (UTC)', cell: ({ since }) => sayShortTime(since) },
  { title: 'REFUSED AT', cell: ({ until }) => sayShortTime(until) },
  { title: 'ATTEMPT', cell: ({ what }) => what, gives: true },
];

export function printHeld(held: readonly Held[], page: Page): string {
  return held.length === 0 ? 'Nothing is held.' : table(columns, held, page);
}
