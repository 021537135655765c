// What a look at a guest's integrity says, check by check: what was looked at, what was found, what could not be seen.
import type { ExecutableIdentity, IntegrityReport } from '../../sentinel/local/local-integrity.ts';
import type { Page } from './page.ts';
import { visible } from './visible.ts';
import { count } from './words.ts';

export function printIntegrity({ baseline, checks, state }: IntegrityReport, page: Page): string {
  const findings = checks.flatMap((check) => check.findings);
  const certain = findings.filter(({ certainty }) => certainty === 'certain').length;
  const unseen = checks.filter(({ couldNotSee }) => couldNotSee.length > 0).length;
  const verdict =
    certain > 0
      ? page.paint('worst', `Tampered with: ${count(certain, 'finding')}.`)
      : findings.length > 0
        ? page.paint('warn', `Nothing certain; ${count(findings.length, 'thing')} to look at.`)
        : unseen > 0
          ? page.paint(
              'warn',
              `Nothing was found, but not all could be seen: ${count(unseen, 'check')} say below what.`,
            )
          : page.paint('good', 'Nothing was found.');
  return [
    verdict,
    `held against: ${visible(baseline.says)}`,
    ...checks.flatMap(({ check, covers, findings: own, couldNotSee }) => [
      '',
      `${page.paint('heading', check)}: ${visible(covers)}`,
      ...(own.length === 0 ? ['  found nothing'] : []),
      ...own.map(
        ({ kind, certainty, subject, detail }) =>
          `  ${page.paint(certainty === 'certain' ? 'worst' : 'warn', `${kind} (${certainty})`)} ${visible(subject)}: ${visible(detail)}`,
      ),
      ...couldNotSee.map(({ what, count: times }) => `  could not see: ${visible(what)} (${times})`),
    ]),
    '',
    `${page.paint('heading', 'state')}: ${stateLines(state).join('; ')}`,
  ].join('\n');
}

function stateLines(state: IntegrityReport['state']): string[] {
  const { tainted, lockdown, promiscuousInterfaces, packetSockets, probes } = state;
  return [
    tainted === null ? 'taint unknown' : tainted.length === 0 ? 'not tainted' : `tainted: ${tainted.join(', ')}`,
    `lockdown ${lockdown ?? 'unknown'}`,
    promiscuousInterfaces.length === 0
      ? 'no promiscuous interface'
      : `promiscuous: ${promiscuousInterfaces.map(visible).join(', ')}`,
    count(packetSockets, 'packet socket'),
    ...(probes.length === 0 ? [] : [`probes at ${probes.map(visible).join(', ')}`]),
  ];
}

export function printIdentity(identity: ExecutableIdentity, page: Page): string {
  const { path, sha256, sizeBytes, fileSystem, inode, from, why, pages, missingPages, pagesFromDisk } = identity;
  const source =
    from === 'disk'
      ? `from memory and ${pagesFromDisk} of ${pages} pages from the VM's disk`
      : "from the guest's memory";
  return [
    `${sha256 ?? page.paint('warn', `no hash: ${visible(why ?? `${missingPages} of ${pages} pages are missing`)}`)}  ${visible(path)}`,
    `${sizeBytes} bytes, ${visible(fileSystem)} inode ${inode}${sha256 === null ? '' : `, ${source}`}`,
  ].join('\n');
}
