// Manager and sentinel of one machine in one process, each holding its end of a line that copies what crosses it.
import { hostname } from 'node:os';
import { readFile } from 'node:fs/promises';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { hostEvidenceLimitsOf, readConfiguration, type Configuration } from '../../manager/configuration.ts';
import { startManager, type Manager } from '../../manager/main.ts';
import { startSentinel, type Sentinel } from '../../sentinel/main.ts';
import { readTrust } from '../../sentinel/vault/trust.ts';
import { inProcessLink } from '../../wire/in-process-link.ts';
import { linkOf } from '../connect-manager.ts';
import type { ServeOptions, Serving } from '../programs.ts';
import { sentinelDirectoryOf } from '../state-directory.ts';
import { systemClock } from '../system-clock.ts';
import { version } from '../version.ts';

/** What is being carried out is waited for, but not for ever. */
const closingMsMax = 15_000;

export async function serve(options: ServeOptions): Promise<Result<Serving>> {
  const configuration = await configurationOf(options);
  if (!configuration.ok) return configuration;
  const manager = await startManager({
    stateDir: options.stateDir,
    configuration: configuration.value,
    version,
    clock: systemClock,
    log: options.log('manager'),
  });
  if (!manager.ok) return manager;
  const sentinel = await joinSentinel(manager.value, options, configuration.value);
  if (!sentinel.ok) {
    await manager.value.close();
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

async function configurationOf({ configFile, port }: ServeOptions): Promise<Result<Configuration>> {
  let text = '';
  try {
    if (configFile !== undefined) text = await readFile(configFile, 'utf8');
  } catch (thrown) {
    const kind = (thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'not-found' : 'unreadable';
    return fail(problem(kind, `The configuration ${configFile} cannot be read: ${causeOf(thrown)}.`));
  }
  const read = readConfiguration(text, configFile ?? 'the default configuration');
  return read.ok && port !== undefined ? ok({ ...read.value, api: { ...read.value.api, port } }) : read;
}
