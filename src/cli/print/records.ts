// Records of what was done: remediations and the audit log.
import type { AuditEntry } from '../../model/audit-entry.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { remediationStyle, sayShortTime } from './words.ts';

/** The first part of a long list, and how long it is. */
export interface Paged<T> {
  readonly items: readonly T[];
  readonly next: string | null;
  readonly total: number;
}

/** Long enough to be typed and unique; any unique beginning of an id is understood. */
export const idColumns = 8;

export function printRemediations(list: Paged<Remediation>, page: Page): string {
  if (list.items.length === 0) return 'No remediations.';
  const columns: readonly Column<Remediation>[] = [
    { title: 'ID', cell: ({ id }) => id.slice(0, idColumns) },
    { title: 'STARTED (UTC)', cell: ({ startedAt }) => sayShortTime(startedAt) },
    { title: 'VM', cell: ({ step }) => step.vm, gives: true },
    { title: 'ACTION', cell: ({ step }) => step.action },
    { title: 'STATE', cell: ({ state }) => state, style: ({ state }) => remediationStyle(state) },
    {
      title: 'BY',
      cell: ({ origin, by }) => (origin === 'person' ? by : origin === 'inline' ? 'inline' : 'standing order'),
      gives: true,
    },
    { title: 'ALARM', cell: ({ alarm }) => alarm?.slice(0, idColumns) ?? null },
    { title: 'READ BACK', cell: ({ evidence }) => evidence, gives: true },
  ];
  return table(columns, list.items, page) + sayRest(list);
}

export function printAudit(list: Paged<AuditEntry>, page: Page): string {
  if (list.items.length === 0) return 'Nothing was done yet.';
  const columns: readonly Column<AuditEntry>[] = [
    { title: 'SEQ', cell: ({ seq }) => seq, align: 'right' },
    { title: 'AT (UTC)', cell: ({ at }) => sayShortTime(at) },
    { title: 'BY', cell: ({ by }) => by, gives: true },
    { title: 'VERB', cell: ({ verb }) => verb },
    { title: 'SUBJECT', cell: ({ subject }) => subject, gives: true },
    { title: 'OUTCOME', cell: ({ outcome }) => outcome, style: ({ outcome }) => (outcome === 'failed' ? 'bad' : null) },
    { title: 'DETAIL', cell: ({ detail }) => detail, gives: true },
  ];
  return table(columns, list.items, page) + sayRest(list);
}

/** What a limit kept back. */
export function sayRest({ items, total }: Paged<unknown>): string {
  return total > items.length ? `\n${total - items.length} more: raise --limit to see them.` : '';
}
