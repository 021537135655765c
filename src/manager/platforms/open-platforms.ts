// From the configuration to opened platforms: secrets read, certificates pinned. A server is asked nothing yet.
import type { Clock } from '../../kit/clock.ts';
import { problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Platform } from '../../connectors/enforcement/platform.ts';
import type { CaptureKeeping } from '../../connectors/enforcement/port-capture.ts';
import { shownCertificate } from '../../protocols/https/shown-certificate.ts';
import { sayFault } from '../../model/shape-faults.ts';
import { type PlatformConfiguration, platformFaults, secretFiles } from './platform-configuration.ts';
import type { PlatformRow, PlatformTable } from './platform-table.ts';
import { readSecret } from './read-secret.ts';

export interface OpenPlatform {
  readonly name: string;
  readonly platform: Platform;
  readonly prices: PlatformRow['prices'];
}

export interface OpeningParts {
  readonly table: PlatformTable;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** Where captures of the platform of that name are kept; absent = nowhere. */
  readonly keepingOf?: (platform: string) => CaptureKeeping;
}

/** All of them or, with the first that cannot be opened, none. */
export async function openPlatforms(
  configured: readonly PlatformConfiguration[],
  parts: OpeningParts,
): Promise<Result<readonly OpenPlatform[]>> {
  const [fault] = platformFaults(configured, parts.table);
  if (fault !== undefined) return fail(problem('usage', `${sayFault(fault)}.`, 'Mend the configuration.'));
  const opened: OpenPlatform[] = [];
  for (const one of configured) {
    const platform = await openOne(one, parts);
    if (!platform.ok) {
      for (const other of opened) await other.platform.close();
      return platform;
    }
    opened.push(platform.value);
  }
  return ok(opened);
}

async function openOne(
  configured: PlatformConfiguration,
  { table, clock, sleep, keepingOf }: OpeningParts,
): Promise<Result<OpenPlatform>> {
  const row = table[configured.kind];
  const [given] = secretFiles(configured);
  if (row === undefined || given === undefined)
    return fail(problem('usage', `Platform ${configured.name} cannot be opened.`));
  const { name, url, user, certificateSha256: fingerprint, inspection = {}, isolationNetwork = null } = configured;
  if (fingerprint === undefined) return fail(await unpinned(configured, row));
  const text = await readSecret(given.file);
  if (!text.ok) return text;
  const secret = { kind: given.kind, text: text.value };
  const access = { user, secret, fingerprint, inspection, isolationNetwork, keeping: keepingOf?.(name) ?? null };
  const platform = row.open({ ...access, url: url.replace(/\/$/, ''), clock, sleep });
  if (!platform.ok) return platform;
  const prices = isolationNetwork === null ? row.prices : (row.isolationPrices ?? row.prices);
  return ok({ name, platform: platform.value, prices });
}

const lookMs = 10_000;

/** Whoever stands in between shows a certificate too: the person is told to compare, not to copy. */
async function unpinned({ name, url }: PlatformConfiguration, row: PlatformRow): Promise<Problem> {
  const shown = await shownCertificate(url, lookMs);
  const seen = shown.ok
    ? `${url} shows the certificate ${shown.value} now.`
    : `What it shows could not be seen: ${shown.error.message}`;
  return problem(
    'refused',
    `Platform ${name} has no certificateSha256, and no password is sent to a server that is not known. ${seen}`,
    `Read the fingerprint on the server itself (${row.readFingerprint}); only if it is the same, write it as certificateSha256 of platform ${name}.`,
  );
}
