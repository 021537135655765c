// The configured calls as people read them.
import type { ConfiguredCall } from '../../model/configured-call.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';

export function printCalls(calls: readonly ConfiguredCall[], page: Page): string {
  if (calls.length === 0) return 'No calls are configured.';
  const columns: readonly Column<ConfiguredCall>[] = [
    { title: 'CALL', cell: ({ name }) => name },
    { title: 'KIND', cell: ({ kind }) => kind },
    { title: 'PLACE', cell: ({ place }) => place, gives: true },
    {
      title: 'NOW',
      cell: ({ obstacle }) => obstacle ?? 'ready',
      style: ({ obstacle }) => (obstacle === null ? 'good' : 'bad'),
      gives: true,
    },
  ];
  return table(columns, calls, page);
}
