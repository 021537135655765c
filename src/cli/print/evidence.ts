// Evidence as people read it: what was collected, what a bundle holds, what is missing in it.
import type { EvidenceHold, EvidenceView } from '../../model/evidence.ts';
import type { VerifiedBundle } from '../../manager/evidence/verify-bundle.ts';
import type { Page } from './page.ts';
import { idColumns, sayRest, type Paged } from './records.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayShortTime, sayTime } from './words.ts';

export function printEvidence(list: Paged<EvidenceView>, page: Page): string {
  if (list.items.length === 0) return 'Nothing was collected.';
  const columns: readonly Column<EvidenceView>[] = [
    { title: 'ID', cell: ({ id }) => id.slice(0, idColumns) },
    { title: 'MADE (UTC)', cell: ({ madeAt }) => sayShortTime(madeAt) },
    { title: 'KIND', cell: ({ kind }) => kind },
    { title: 'VM', cell: ({ vm }) => vm, gives: true },
    { title: 'HOST', cell: ({ host }) => host, gives: true },
    { title: 'STATE', cell: ({ state }) => state, style: ({ state }) => (state === 'kept' ? 'good' : 'warn') },
    { title: 'SIZE', cell: ({ sizeBytes }) => (sizeBytes === null ? null : saySize(sizeBytes)), align: 'right' },
    { title: 'ALARM', cell: ({ alarm }) => alarm?.slice(0, idColumns) ?? null },
    { title: 'PLAN', cell: ({ plan }) => plan?.slice(0, idColumns) ?? null },
    { title: 'KEPT FOR', cell: ({ keptFor }) => keptFor, gives: true },
    {
      title: 'NOTE',
      cell: ({ note, removedAt }) => (removedAt === null ? note : `removed ${sayTime(removedAt)}`),
      gives: true,
    },
  ];
  return table(columns, list.items, page) + sayRest(list);
}

export function printHolds(holds: readonly EvidenceHold[], page: Page): string {
  if (holds.length === 0) return 'Nothing is held.';
  const columns: readonly Column<EvidenceHold>[] = [
    { title: 'HELD', cell: ({ subject }) => subject },
    { title: 'BY', cell: ({ by }) => by, gives: true },
    { title: 'SINCE (UTC)', cell: ({ at }) => sayShortTime(at) },
  ];
  return table(columns, holds, page);
}

export function printExported(bundle: VerifiedBundle & { readonly file: string }, page: Page): string {
  return [`Written ${visible(bundle.file)}, and checked.`, printVerified(bundle, page)].join('\n');
}

export function printVerified({ keyid, index, sizeBytes, faults }: VerifiedBundle, page: Page): string {
  const { subject, vm, vmName, madeAt, madeBy, members, collected, missing, timeline } = index;
  const whole = collected.filter(({ found }) => found === 'whole').length;
  return [
    `bundle   ${subject.kind} ${visible(subject.id)} of ${visible(vmName)} (${visible(vm)})`,
    `made     ${sayTime(madeAt)} by ${visible(madeBy)}`,
    `seal     ${page.paint('good', 'holds')}, key ${keyid.slice(0, 16)}`,
    `holds    ${count(members.length, 'file')}, ${saySize(sizeBytes)}; ${whole} of ${count(collected.length, 'item')} as collected; ${count(timeline.length, 'entry', 'entries')} of timeline`,
    ...(faults.length === 0
      ? [`bytes    ${page.paint('good', 'as signed')}, all of them`]
      : faults.map(({ member, why }) => `${page.paint('bad', 'changed')}  ${visible(member)}: ${visible(why)}`)),
    ...missing.map((one) => `${page.paint('warn', 'missing')}  ${visible(one)}`),
  ].join('\n');
}

function saySize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? bytes : (bytes / 1024 ** step).toFixed(1)} ${units[step]}`;
}
