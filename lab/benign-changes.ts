// Legitimate behaviour that nobody saw while learning: what a product must not cry wolf about for long.
import { ok, type Result } from '../src/kit/result.ts';
import type { Gateway } from './gateway.ts';
import { guestProgram } from './guest-programs.ts';
import type { Tier } from './tier-disk.ts';

export interface BenignChange {
  readonly tier: Tier;
  readonly name: string;
  readonly description: string;
  /** Executables that run for it and never before. */
  readonly executables: readonly string[];
  /** Job name under which the gateway counts its end. */
  readonly finishedJob: string;
}

export async function offerUpdate(gateway: Gateway, version: string): Promise<Result<BenignChange>> {
  const name = `invoice-${version}`;
  const program = await guestProgram('invoice', version);
  if (!program.ok) return program;
  const published = await gateway.ask('publish', { name, path: program.value });
  if (!published.ok) return published;
  const offered = await gateway.ask('offer', { machine: 'app', task: `update ${name}` });
  if (!offered.ok) return offered;
  return ok({
    tier: 'app',
    name: 'update',
    description: `The app tier's agent installs version ${version} of its invoice program and runs its migration.`,
    executables: ['/usr/local/sbin/install-package', '/opt/orders/libexec/migrate', '/opt/orders/bin/invoice'],
    finishedJob: `finished-app`,
  });
}

export async function offerMaintenance(gateway: Gateway, tier: Tier, task: string): Promise<Result<BenignChange>> {
  const offered = await gateway.ask('offer', { machine: tier, task: `maintenance ${task}` });
  if (!offered.ok) return offered;
  return ok({
    tier,
    name: 'maintenance',
    description: `An administrator has the ${tier} tier's agent run the maintenance task "${task}".`,
    executables: ['/usr/local/sbin/maintenance', '/usr/bin/du', '/usr/bin/sleep'],
    finishedJob: `finished-${tier}`,
  });
}
