// Manifests: what a VM may do, what changed, and whether the seal holds.
import type { Generation, ManifestReading } from '../../model/manifest-reading.ts';
import type { Manifest, ManifestDiff, ManifestEntry } from '../../model/manifest.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count, sayBehaviour, sayProvenance, sayRule, sayTime } from './words.ts';

/** What a verified seal vouches for. */
export interface SealReport extends Omit<Manifest, 'entries' | 'orders' | 'format'> {
  readonly verified: true;
  /** The trusted key whose signature holds. */
  readonly keyid: string;
  readonly entries: number;
}

export function printManifest({ manifest, verified, keyid, notes }: ManifestReading, page: Page): string {
  const seal = verified ? page.paint('good', `holds, key ${short(keyid)}`) : page.paint('worst', 'BROKEN');
  return [
    ...heading({ ...manifest, entries: manifest.entries.length }, page),
    `seal        ${seal}`,
    ...manifest.orders.map((rule) => `order       ${sayRule(rule)}`),
    ...notes.map(({ severity, note }) => `${page.paint('warn', severity.padEnd(10))}  ${visible(note)}`),
    '',
    manifest.entries.length === 0 ? 'No entries.' : table(entryColumns, manifest.entries, page),
  ].join('\n');
}

const entryColumns: readonly Column<ManifestEntry>[] = [
  { title: 'ENTRY', cell: ({ id }) => id.slice(0, 12) },
  { title: 'KIND', cell: ({ behaviour }) => behaviour.kind },
  { title: 'BEHAVIOUR', cell: ({ behaviour }) => sayBehaviour(behaviour), gives: true },
  { title: 'FROM', cell: ({ provenance }) => sayProvenance(provenance), gives: true },
];

export function printSeal(report: SealReport, page: Page): string {
  return [
    page.paint('good', 'The seal holds.'),
    ...heading(report, page),
    `signed by   key ${visible(report.keyid)}`,
  ].join('\n');
}

export function printDiff({ added, removed, unchanged }: ManifestDiff, page: Page): string {
  const line = (sign: string, { behaviour, provenance }: ManifestEntry): string =>
    `${sign} ${sayBehaviour(behaviour)} [${visible(sayProvenance(provenance))}]`;
  return [
    ...removed.map((entry) => page.paint('bad', line('-', entry))),
    ...added.map((entry) => page.paint('good', line('+', entry))),
    `${added.length} added, ${removed.length} removed, ${unchanged} unchanged`,
  ].join('\n');
}

export function printGenerations(generations: readonly Generation[], page: Page): string {
  if (generations.length === 0) return 'No manifest was ever issued for this VM.';
  const columns: readonly Column<Generation>[] = [
    { title: 'GENERATION', cell: ({ generation }) => generation, align: 'right' },
    { title: 'ISSUED', cell: ({ issuedAt }) => sayTime(issuedAt) },
    { title: 'KIND', cell: ({ kind }) => kind },
    { title: 'MODE', cell: ({ mode }) => mode },
    { title: 'ENTRIES', cell: ({ entries }) => entries, align: 'right' },
    { title: 'WHY', cell: ({ reason }) => reason, gives: true },
  ];
  return table(columns, generations, page);
}

function heading(
  { vm, vmName, scope, service, mode, generation, issuedAt, entries }: Omit<SealReport, 'verified' | 'keyid'>,
  page: Page,
): string[] {
  return [
    `manifest    ${page.paint('heading', visible(vmName))} (${visible(vm)}) in ${scope}/${service}`,
    `generation  ${generation}, issued ${sayTime(issuedAt)}, mode ${mode}`,
    `entries     ${count(entries, 'behaviour')}`,
  ];
}

function short(keyid: string | null): string {
  return keyid === null ? 'unknown' : visible(keyid.slice(0, 16));
}
