// Simulated platforms for a manager on trial: configured and opened as real ones are, and looked at all the time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problem } from '../src/kit/problem.ts';
import { fail, ok } from '../src/kit/result.ts';
import type { PlatformConfiguration } from '../src/manager/platforms/platform-configuration.ts';
import type { PlatformTable } from '../src/manager/platforms/platform-table.ts';
import type { PlatformPace } from '../src/manager/platforms/platform-watch.ts';
import type { SimulatedPlatform } from '../src/sim/simulated-platform.ts';

const hurry = 20;
export const quickPace: PlatformPace = { readMs: 20, awayMs: 20, holdMs: 30 };

interface SimulatedPlatforms {
  readonly configuration: { readonly platforms: (PlatformConfiguration & { readonly kind: 'vsphere' })[] };
  readonly parts: { readonly platformPace: PlatformPace; readonly platformTable: PlatformTable };
  /** Removes the file of their secret. */
  end(): void;
}

/** By name. */
export function simulatedPlatforms(platforms: ReadonlyMap<string, SimulatedPlatform>): SimulatedPlatforms {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-platforms-'));
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, 'secret\n', { mode: 0o600 });
  const table: PlatformTable = {
    vsphere: {
      secrets: ['password'],
      prices: { quarantine: 'its cards are disconnected' },
      readFingerprint: 'there',
      open: (access) => {
        const simulated = platforms.get(new URL(access.url).hostname.split('.')[0] ?? '');
        if (simulated === undefined) return fail(problem('not-found', 'No such platform.'));
        // What is waited for in vain is not waited for long.
        const monotonic = () => access.clock.monotonic() * hurry;
        return ok(simulated.open({ ...access, clock: { ...access.clock, monotonic } }));
      },
    },
  };
  return {
    configuration: {
      platforms: [...platforms.keys()].map((name) => ({
        name,
        kind: 'vsphere',
        url: `https://${name}.example`,
        user: 'u',
        passwordFile,
        certificateSha256: 'ab'.repeat(32),
      })),
    },
    parts: { platformPace: quickPace, platformTable: table },
    end: () => rmSync(directory, { recursive: true }),
  };
}
