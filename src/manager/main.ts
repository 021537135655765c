// The manager as a program: opens its state, wires its parts together, and closes them in the opposite order.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeSyslog } from '../connectors/siem/syslog/syslog.ts';
import { makeWebhook } from '../connectors/siem/webhook/webhook.ts';
import { isoTime, type Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import { ok, type Result } from '../kit/result.ts';
import type { TrustList } from '../protocols/dsse/keys.ts';
import type { ManagerEnd, SentinelEnd } from '../wire/link.ts';
import { makeAnnouncements } from './announcements.ts';
import { credentialsOf, makeToken } from './api/admission.ts';
import { makeEventStream } from './api/events.ts';
import { makeHandlers } from './api/handlers.ts';
import { makeServer, type ApiServer } from './api/server.ts';
import { type AbilityKeeper, keepAbilities, makeAbilityBook } from './broker/ability-book.ts';
import { makeCallBook } from './broker/call-book.ts';
import { withCalls } from './broker/carry-call.ts';
import { makeCarrier } from './broker/choose-carrier.ts';
import { makeSentinelCarrier, settleInterrupted } from './broker/carry-out.ts';
import { startPlanRunner, type PlanRunner } from './broker/plan-runner.ts';
import { raiseUnconfirmed } from './broker/unconfirmed.ts';
import { keepRetention, type RetentionKeeper } from './evidence/retention.ts';
import { openBundle } from './evidence/bundle.ts';
import { makeCaptureKeeper } from './evidence/platform-captures.ts';
import {
  defaultPort,
  evidenceLimitsOf,
  hostEvidenceLimitsOf,
  sizeMegabytesMaxDefault,
  type Configuration,
} from './configuration.ts';
import type { Desk } from './desk.ts';
import { makeIngest } from './ingest/ingest.ts';
import { startDelivery, type Deliverer } from './intent/delivery.ts';
import { noLosses } from './losses.ts';
import { startNotifier, type Receiver } from './notify/notifier.ts';
import { makeAttachedSentinels } from './sentinels.ts';
import { type OpeningParts, openPlatforms, type OpenPlatform } from './platforms/open-platforms.ts';
import { type RunningPlatforms, startPlatforms } from './platforms/platform-desk.ts';
import { platformTable, type PlatformTable } from './platforms/platform-table.ts';
import { paceDefault, type PlatformPace } from './platforms/platform-watch.ts';
import { openSeals } from './signing/seals.ts';
import { openStateDirectory, type StateDirectory } from './state-directory.ts';
import type { Identity } from './status.ts';
import { openSqliteStore, type Store } from './store/store.ts';

export interface ManagerSettings {
  readonly stateDir: string;
  readonly configuration: Configuration;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How often remote platforms are looked at; the usual pace when left out. */
  readonly platformPace?: PlatformPace;
  /** The adapters to them; all there are when left out. */
  readonly platformTable?: PlatformTable;
  /** Told while it starts what it waits for now. */
  readonly waitsFor?: (what: string) => void;
}

export interface Manager {
  /** Where the API listens: `http://127.0.0.1:7420`. */
  readonly address: string;
  readonly token: string;
  /** What a sentinel must trust to believe this manager's manifests and orders. */
  readonly trust: TrustList;
  /** What a sentinel delivers to. */
  readonly end: ManagerEnd;
  /** Connects a sentinel; the value disconnects it. The same name again = it was started again. */
  attachSentinel(end: SentinelEnd): () => void;
  close(): Promise<void>;
}

/** Its files: where a client finds it, and the token it must show. */
const addressFile = 'api.json';
const tokenFile = 'token';

export async function startManager(settings: ManagerSettings): Promise<Result<Manager>> {
  const state = openStateDirectory(settings.stateDir);
  if (!state.ok) return state;
  const started = await startIn(state.value, settings);
  if (!started.ok) state.value.close();
  return started;
}

async function startIn(state: StateDirectory, settings: ManagerSettings): Promise<Result<Manager>> {
  const seals = openSeals(state);
  if (!seals.ok) return seals;
  const token = state.readOrMake(tokenFile, makeToken);
  if (!token.ok) return token;
  const { waitsFor = () => undefined } = settings;
  const platformFiles = state.fileOf('captures');
  const captures = makeCaptureKeeper(platformFiles, hostEvidenceLimitsOf(settings.configuration).bytesMax);
  waitsFor('the certificates of its platforms');
  const platforms = await openPlatforms(settings.configuration.platforms ?? [], {
    ...openingParts(settings),
    keepingOf: (platform) => captures.keepingOf(platform),
  });
  if (!platforms.ok) return platforms;
  const { store: storeSettings } = settings.configuration;
  const sizeBytesMax = (storeSettings?.sizeMegabytesMax ?? sizeMegabytesMaxDefault) * 1024 * 1024;
  waitsFor(`its store ${state.fileOf('manager.db')}`);
  const store = await openSqliteStore({ file: state.fileOf('manager.db'), sizeBytesMax });
  if (!store.ok) return store;
  waitsFor('its parts');
  const closing = new AbortController();
  const opened = { store: store.value, platforms: platforms.value, platformFiles };
  const parts = { ...opened, seals: seals.value, token: token.value.trim() };
  const wired = await wire(settings, closing.signal, parts);
  if (!wired.ok) {
    await store.value.close();
    return wired;
  }
  const { desk, api, deliverer, identity, runner } = wired.value;
  captures.begin(desk);
  const stop = async () => {
    closing.abort();
    await api.close();
    await deliverer.close();
    wired.value.abilities.close();
    await wired.value.retention.close();
    await runner.close();
    await wired.value.platforms.close();
    wired.value.stopNotifier();
    await store.value.close();
  };
  waitsFor('its store, to settle what was interrupted, and its port');
  const recovered = await settleInterrupted(desk);
  const listening = recovered.ok ? await api.listen(settings.configuration.api?.port ?? defaultPort) : recovered;
  const written = listening.ok
    ? state.write(addressFile, `${JSON.stringify({ address: listening.value })}\n`)
    : listening;
  if (!listening.ok || !written.ok) {
    await stop();
    return listening.ok ? (written as Result<never>) : listening;
  }
  identity.address = listening.value;
  deliverer.wake();
  runner.wake();
  settings.log.info('the manager listens', { address: listening.value });
  return ok({
    address: listening.value,
    token: token.value.trim(),
    trust: seals.value.trust,
    end: makeIngest(desk),
    attachSentinel: (end) => desk.sentinels.attach(end),
    async close() {
      state.remove(addressFile);
      await stop();
      state.close();
    },
  });
}

interface Wired {
  readonly desk: Desk;
  readonly api: ApiServer;
  readonly deliverer: Deliverer;
  readonly identity: Identity;
  readonly runner: PlanRunner;
  readonly abilities: AbilityKeeper;
  readonly retention: RetentionKeeper;
  readonly platforms: RunningPlatforms;
  stopNotifier(): void;
}

interface Opened {
  readonly store: Store;
  readonly seals: Desk['seals'];
  readonly token: string;
  readonly platforms: readonly OpenPlatform[];
  readonly platformFiles: string;
}

async function wire(
  settings: ManagerSettings,
  closing: AbortSignal,
  { store, seals, token, platforms: opened, platformFiles }: Opened,
): Promise<Result<Wired>> {
  const { clock, log, version, configuration } = settings;
  const announcements = makeAnnouncements(log);
  const losses = noLosses();
  const sentinels = makeAttachedSentinels((name) => {
    deliverer.greet(name);
    abilities.greet();
    runner.wake();
    retention.wake();
  });
  const alone: Omit<Desk, 'platforms'> = {
    store,
    clock,
    log,
    seals,
    announcements,
    sentinels,
    losses,
    abilities: makeAbilityBook(),
    calls: makeCallBook(configuration.calls ?? {}, configuration.console ?? null, clock),
    platformFiles,
    closing,
    newId: () => randomBytes(6).toString('hex'),
  };
  const platforms = await startPlatforms(alone, opened, settings.platformPace ?? paceDefault, () => {
    abilities.greet();
    runner.wake();
  });
  if (!platforms.ok) return platforms;
  const desk: Desk = { ...alone, platforms: platforms.value };
  const deliverer: Deliverer = startDelivery(desk);
  const abilities = keepAbilities(desk);
  const runner = startPlanRunner({
    desk,
    carrier: withCalls(desk, makeCarrier(desk, makeSentinelCarrier(desk))),
    unconfirmed: async (turn, run) => await raiseUnconfirmed(desk, turn, run),
  });
  const retention = keepRetention(desk, evidenceLimitsOf(configuration));
  const identity: Identity = { version, startedAt: isoTime(clock.now()), address: null };
  const api = await makeServer({
    handlers: makeHandlers(desk, identity, () => retention.wake()),
    openBundle: async (reference, by) => await openBundle(desk, reference, by),
    events: makeEventStream(announcements, losses),
    credentials: credentialsOf(token),
    log,
    version,
  });
  const stopNotifier = startNotifier(receiversOf(configuration), announcements, losses, log, {
    queueMax: 1000,
    retryMsFirst: 500,
  });
  return ok({
    desk,
    api,
    deliverer,
    identity,
    runner,
    abilities,
    platforms: platforms.value,
    retention,
    stopNotifier,
  });
}

function receiversOf({ notify }: Configuration): Receiver[] {
  const webhooks = (notify?.webhooks ?? []).map(({ url, secret, timeoutMs, attempts, minSeverity }) => ({
    connector: makeWebhook({ url, secret: secret ?? null, timeoutMs: timeoutMs ?? 5000 }),
    minSeverity: minSeverity ?? ('info' as const),
    attempts: attempts ?? 5,
  }));
  const syslog = (notify?.syslog ?? []).map(({ host, port, transport, facility, minSeverity }) => ({
    connector: makeSyslog({
      host,
      port: port ?? 514,
      transport: transport ?? 'udp',
      // security/authorization (RFC 5424 section 6.2.1)
      facility: facility ?? 4,
      hostname: hostname(),
    }),
    minSeverity: minSeverity ?? ('info' as const),
    attempts: 5,
  }));
  return [...webhooks, ...syslog];
}

function openingParts({ clock, platformTable: table = platformTable }: ManagerSettings): OpeningParts {
  return { table, clock, sleep: async (ms) => await sleep(ms, undefined, { ref: false }) };
}
