// Tells when a guest begins to be migrated, so that a tracer can leave it before the migration ends. It has to: QEMU obeys a gdb client
// that says "run on" in the moments in which a migration is completed, too. The source then runs beside its target, or QEMU ends itself
// ("invalid runstate transition: 'running' -> 'postmigrate'"; both seen on 7.2, in one of a few migrations on a busy host).
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

/** qapi/migration.json, MigrationStatus. `setup` is among them: saving a snapshot says that much and no more, and ends in order. */
const atRest = new Set(['none', 'setup', 'completed', 'failed', 'cancelled']);
/** Without it QEMU tells nobody of a migration; libvirt asks for it too. */
const telling = 'events';
const capabilitiesMax = 256;

export interface MigrationWatch {
  /** Settles when a migration of this guest is under way. */
  readonly begun: Promise<void>;
  close(): void;
}

/** Has QEMU tell of migrations from now on. Problem `refused`: one is under way. */
export async function watchMigration(monitor: Monitor): Promise<Result<MigrationWatch>> {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const close = monitor.subscribe(({ name, data }) => {
    if (name === 'MIGRATION' && isUnderWay(data['status'])) resolve();
  });
  const ready = await prepare(monitor);
  if (ready.ok) return ok({ begun, close });
  close();
  return ready;
}

/** Asked after QEMU was told to tell, so that none begins in between unheard. */
async function prepare(monitor: Monitor): Promise<Result<void>> {
  const told = await haveItTold(monitor);
  const migration = await monitor.execute('query-migrate');
  if (!migration.ok) return migration;
  if (isUnderWay(asObject(migration.value)?.['status'])) {
    return fail(problem('refused', 'The guest is being migrated.', 'Trace it when the migration is over.'));
  }
  return told;
}

async function haveItTold(monitor: Monitor): Promise<Result<void>> {
  const asked = await monitor.execute('query-migrate-capabilities');
  if (!asked.ok) return asked;
  const capabilities = asList(asked.value, capabilitiesMax).map(asObject);
  if (capabilities.some((one) => one?.['capability'] === telling && one['state'] === true)) return ok(undefined);
  const set = await monitor.execute('migrate-set-capabilities', {
    capabilities: [{ capability: telling, state: true }],
  });
  return set.ok ? ok(undefined) : set;
}

function isUnderWay(status: Json | undefined): boolean {
  const word = asText(status);
  return word !== null && !atRest.has(word);
}
