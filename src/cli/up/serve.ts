// Manager and sentinel of one machine in one process, each holding its end of a line that copies what crosses it.
import { hostname } from 'node:os';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { hostEvidenceLimitsOf, type Configuration } from '../../manager/configuration.ts';
import { startManager, type Manager } from '../../manager/main.ts';
import { claimHost } from '../../sentinel/host-claim.ts';
import { startSentinel, type Sentinel } from '../../sentinel/main.ts';
import { readTrust } from '../../sentinel/vault/trust.ts';
import { inProcessLink } from '../../wire/in-process-link.ts';
import { linkOf } from '../connect-manager.ts';
import type { ServeOptions, Serving } from '../programs.ts';
import { sentinelDirectoryOf } from '../state-directory.ts';
import { systemClock } from '../system-clock.ts';
import { version } from '../version.ts';
import { configurationOf } from './configuration-file.ts';

/** What is being carried out is waited for, but not for ever. */
const closingMsMax = 15_000;

/** A host that has a sentinel already is left as it is: nothing is begun before that is known. */
export async function serve(options: ServeOptions): Promise<Result<Serving>> {
  const { waitsFor } = options;
  waitsFor('its configuration');
  const configuration = await configurationOf(options);
  if (!configuration.ok) return configuration;
  waitsFor(`an answer about ${options.runDirectory}, where the sentinels of this host meet`);
  const claimed = await claimHost(options.runDirectory, options.stateDir);
  if (!claimed.ok) return claimed;
  const serving = await serveAlone(options, configuration.value);
  if (!serving.ok) {
    claimed.value.release();
    return serving;
  }
  const close = async (): Promise<Result<null>> => {
    const closed = await serving.value.close();
    claimed.value.release();
    return closed;
  };
  return ok({ ...serving.value, close });
}

async function serveAlone(options: ServeOptions, configuration: Configuration): Promise<Result<Serving>> {
  const { stateDir, waitsFor } = options;
  waitsFor(`the state directory ${stateDir}`);
  const manager = await startManager({
    stateDir,
    configuration,
    version,
    clock: systemClock,
    log: options.log('manager'),
    waitsFor,
  });
  if (!manager.ok) return manager;
  waitsFor('its sentinel');
  const sentinel = await joinSentinel(manager.value, options, configuration);
  if (!sentinel.ok) {
    await withinReason(manager.value.close());
    return sentinel;
  }
  const { address, token } = manager.value;
  return ok({
    address,
    console: linkOf({ address, token }),
    close: async () => await withinReason(closeBoth(manager.value, sentinel.value)),
  });
}

async function joinSentinel(
  manager: Manager,
  options: ServeOptions,
  configuration: Configuration,
): Promise<Result<Sentinel>> {
  const trusted = readTrust(manager.trust);
  if (!trusted.ok) return trusted;
  const link = inProcessLink();
  link.connectManager(manager.end);
  const sentinel = await startSentinel({
    name: hostname(),
    stateDir: sentinelDirectoryOf(options.stateDir),
    trusted: trusted.value,
    manager: link.manager,
    ...(options.flows === true ? { flows: true } : {}),
    ...(options.bridgeEnforcer === undefined ? {} : { bridgeEnforcer: options.bridgeEnforcer }),
    evidence: hostEvidenceLimitsOf(configuration),
    waitsFor: options.waitsFor,
    clock: systemClock,
    log: options.log('sentinel'),
  });
  if (sentinel.ok) manager.attachSentinel(link.sentinel(sentinel.value.end));
  return sentinel;
}

/** The sentinel first, while there is still a manager to take what it has left to tell. */
async function closeBoth(manager: Manager, sentinel: Sentinel): Promise<void> {
  await sentinel.close();
  await manager.close();
}

async function withinReason(closing: Promise<void>): Promise<Result<null>> {
  const { promise: late, resolve: tooLate } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => tooLate('late'), closingMsMax);
  const ended = await Promise.race([closing, late]);
  clearTimeout(timer);
  if (ended !== 'late') return ok(null);
  return fail(
    problem(
      'failed',
      `Something was still being carried out after ${closingMsMax / 1000} seconds and was left.`,
      'Its outcome is looked up at the next start.',
    ),
  );
}
