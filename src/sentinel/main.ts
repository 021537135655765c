// The sentinel, put together: finds VMs, watches those with a manifest, judges, answers, and tells its manager. Everything it
// stands on is handed in.
import { isoTime } from '../kit/clock.ts';
import type { Enforcer } from '../connectors/enforcement/enforcer.ts';
import { problem, sayProblem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Finding } from '../model/finding.ts';
import type { GuardEvent } from '../model/guard-event.ts';
import type { Manifest, SealedManifest } from '../model/manifest.ts';
import type { Ability } from '../model/plan.ts';
import type { Remediation } from '../model/remediation.ts';
import { type CompiledManifest, compileManifest } from '../stages/detect/detect.ts';
import type { SentinelEnd } from '../wire/link.ts';
import { AnswerMemory } from './answers/answer-memory.ts';
import { abilitiesOf } from './answers/abilities.ts';
import { ChangeWindows } from './changes/change-windows.ts';
import { Courier } from './post/courier.ts';
import { type Database, openDatabase } from './database.ts';
import { type Door, openDoor } from './door/door.ts';
import { doorRooms } from './door/door-rooms.ts';
import { Executor } from './answers/executor.ts';
import { HostEvidence } from './evidence/host-evidence.ts';
import { Fleet } from './watch/fleet.ts';
import { FlowDesk } from './cross-view/flow-desk.ts';
import { GenerationMemory } from './vault/generation-memory.ts';
import type { GuestSource } from './watch/guest-source.ts';
import { type SentinelHealth, healthOf } from './health.ts';
import { IncarnationMemory } from './watch/incarnation-memory.ts';
import { HostNetwork } from './network/host-network.ts';
import { IntegrityWatch } from './integrity/integrity-watch.ts';
import { Judge } from './judge.ts';
import { takeOrder } from './answers/order-desk.ts';
import { Outbox } from './post/outbox.ts';
import { paceDefaults } from './watch/pace.ts';
import { Post } from './post/post.ts';
import { hostSource } from './watch/host-source.ts';
import { DoubleMemory } from './watch/roster.ts';
import { Spool } from './post/spool.ts';
import { membersOf } from './answers/service-members.ts';
import { StandingOrders } from './answers/standing-orders.ts';
import type { SentinelOptions } from './sentinel-options.ts';
import { openStateDir, type StateDir } from './state-dir.ts';
import { startTracerProcess } from './tracing/tracer-process.ts';
import { Tracings } from './tracing/tracings.ts';
import { threadBusyMs } from './watch/thread-busy.ts';
import { Vault } from './vault/vault.ts';
import type { VmWatch } from './watch/vm-watch.ts';
import { monitorOf } from './watch/monitor-of.ts';

export interface Sentinel {
  readonly end: SentinelEnd;
  health(): SentinelHealth;
  /** Stops looking, waits for what is being carried out, keeps what was not delivered. VMs and manifests stay as they are. */
  close(): Promise<void>;
}

const recheckEveryMs = 5000;
const thoroughEveryMs = 60_000;
const lastWordsMs = 2000;
const lostSightMsDefault = 15_000;
const holdMsDefault = 60_000;
const reconcileEveryMs = 500;

export async function startSentinel(options: SentinelOptions): Promise<Result<Sentinel>> {
  const dir = openStateDir(options.stateDir);
  if (!dir.ok) return dir;
  const database = openDatabase(dir.value.database);
  if (!database.ok) return database;
  const sentinel = new RunningSentinel(options, dir.value, database.value);
  const started = await sentinel.start();
  if (started.ok) return ok(sentinel);
  await sentinel.close();
  return started;
}

class RunningSentinel implements Sentinel {
  readonly end: SentinelEnd;
  readonly #options: SentinelOptions;
  readonly #dir: StateDir;
  readonly #source: GuestSource;
  readonly #database: Database;
  readonly #vault: Vault<CompiledManifest>;
  readonly #fleet: Fleet;
  readonly #judge: Judge;
  readonly #changes: ChangeWindows;
  readonly #orders: StandingOrders;
  readonly #tracings: Tracings;
  readonly #integrity: IntegrityWatch;
  readonly #flows: FlowDesk | null;
  readonly #network: HostNetwork;
  readonly #evidence: HostEvidence;
  readonly #executor: Executor;
  readonly #outbox: Outbox;
  readonly #spool: Spool;
  readonly #courier: Courier;
  readonly #post: Post;
  readonly #startedAt: string;
  readonly #running: Promise<unknown>[] = [];
  #recheckTimer: NodeJS.Timeout | null = null;
  #reconcileTimer: NodeJS.Timeout | null = null;
  readonly #stopping = new AbortController();
  #thoroughAtMs = 0;
  #door: Door | null = null;

  constructor(options: SentinelOptions, dir: StateDir, database: Database) {
    const { clock, log, name } = options;
    this.#options = options;
    this.#dir = dir;
    this.#database = database;
    this.#source = options.source ?? hostSource(dir, clock, log, this.#stopping.signal);
    this.#startedAt = isoTime(clock.now());
    this.#outbox = new Outbox(name, clock);
    this.#spool = new Spool(database, clock, options.spool);
    this.#courier = new Courier(this.#spool, options.manager, log);
    this.#changes = new ChangeWindows({ database, log });
    this.#vault = new Vault({
      dir: dir.vault,
      generations: new GenerationMemory(database),
      trusted: options.trusted,
      clock,
      compile: compileManifest,
      guard: (event) => this.#tellGuard(event),
    });
    this.#executor = new Executor({
      memory: new AnswerMemory(database),
      clock,
      log,
      enforcer: (vm) => this.#enforcer(vm),
      release: (step) => this.#tracings.release(step),
      network: (step) => this.#evidence.refuses(step) ?? this.#network.act(step),
      stepAside: (vm) => this.#tracings.stepAside(vm),
      report: (remediation) => {
        this.#outbox.remedy(remediation);
        this.#evidence.ended(remediation);
        this.#post.hurry();
      },
    });
    this.#orders = new StandingOrders({
      executor: this.#executor,
      clock,
      log,
      host: name,
      abilities: (vm) => this.#abilities(vm),
      database,
      incarnation: (vm) => this.#fleet.get(vm)?.incarnation ?? 1,
      members: (manifest) => membersOf(manifest, this.#vault.all(), (vm) => this.#fleet.get(vm)?.running === true),
    });
    this.#judge = new Judge({
      inForce: (vm) => this.#vault.inForce(vm),
      learn: (vm, activity) => this.#outbox.observe(vm, activity),
      found: (finding, manifest) => this.#found(finding, manifest),
      changes: this.#changes,
      changing: (vm, window) => this.#outbox.change(vm, window),
      shown: (vm, activity) => this.#outbox.show(vm, activity),
      used: (vm, entry, activity) => this.#outbox.use(vm, entry, activity),
      admitted: (change, finding) => this.#outbox.admit(change, finding),
    });
    this.#tracings = this.#makeTracings();
    const guard = (event: GuardEvent): void => {
      this.#tellGuard(event);
      this.#post.hurry();
    };
    this.#flows = options.flows === true ? new FlowDesk({ clock, log, guard }) : null;
    const watch = (vm: string): VmWatch | undefined => this.#fleet.get(vm);
    this.#evidence = new HostEvidence({
      ...options,
      database,
      directory: dir.evidence,
      report: (report) => {
        this.#outbox.evidence(report);
        this.#post.hurry();
      },
    });
    this.#network = new HostNetwork({
      ...options,
      database,
      evidence: this.#evidence,
      directory: dir.evidence,
      guard,
      watch,
      claims: (vm) => [...(this.#flows?.addressesOf(vm) ?? []), ...(watch(vm)?.standing.addresses ?? [])],
    });
    this.#integrity = new IntegrityWatch({
      clock,
      log,
      target: async (watch) => {
        const monitor = await monitorOf(watch);
        return monitor.ok ? await this.#source.integrityTarget(watch.entry.handle, monitor.value) : monitor;
      },
      guard,
    });
    this.#fleet = this.#makeFleet();
    this.#post = new Post({
      outbox: this.#outbox,
      spool: this.#spool,
      fleet: this.#fleet,
      courier: this.#courier,
      clock,
      log,
    });
    this.end = {
      sentinel: name,
      install: (envelope) => this.#install(envelope),
      order: (envelope) => this.#order(envelope),
      abilities: (vm) => this.#abilities(vm),
      evidence: (envelope) => this.#evidence.answer(envelope),
      retain: (envelope) => this.#evidence.retain(envelope),
    };
  }

  async start(): Promise<Result<void>> {
    const loaded = this.#vault.load();
    if (!loaded.ok) return loaded;
    const adopted = this.#executor.adoptUnfinished();
    if (!adopted.ok) return adopted;
    this.#evidence.start();
    const rooms = doorRooms({
      fleet: this.#fleet,
      tracings: this.#tracings,
      integrity: this.#integrity,
      health: () => this.health(),
    });
    this.#options.waitsFor?.(`its local door ${this.#dir.socket}`);
    const door = await openDoor(this.#dir.socket, rooms);
    if (!door.ok) return door;
    this.#door = door.value;
    this.#running.push(this.#fleet.run(), this.#courier.run(), this.#post.run());
    this.#options.waitsFor?.('what Open vSwitch and the VMs’ cards say of flows');
    await this.#flows?.start();
    this.#recheckTimer = setInterval(() => this.#recheck(), recheckEveryMs);
    this.#reconcileTimer = setInterval(() => this.#reconcile(), reconcileEveryMs);
    this.#options.log.info('sentinel started', { manifests: loaded.value, stateDir: this.#dir.path });
    return ok(undefined);
  }

  health(): SentinelHealth {
    return healthOf({
      name: this.#options.name,
      startedAt: this.#startedAt,
      fleet: this.#fleet,
      vault: this.#vault,
      spool: this.#spool,
      courier: this.#courier,
      outbox: this.#outbox,
      judge: this.#judge,
      integrity: this.#integrity,
      flows: this.#flows,
      network: this.#network,
      evidence: this.#evidence,
    });
  }

  async close(): Promise<void> {
    if (this.#recheckTimer !== null) clearInterval(this.#recheckTimer);
    if (this.#reconcileTimer !== null) clearInterval(this.#reconcileTimer);
    await this.#door?.close();
    this.#stopping.abort();
    await this.#executor.idle();
    // While the monitors stand: each guest is left as it was.
    await this.#tracings.close();
    await this.#integrity.close();
    await this.#flows?.close();
    await this.#network.close();
    await this.#evidence.close();
    this.#fleet.close();
    this.#post.close();
    this.#courier.close();
    await Promise.allSettled(this.#running);
    await this.#courier.handOver(lastWordsMs);
    this.#changes.flush();
    this.#database.close();
  }

  #makeFleet(): Fleet {
    const { clock, log, name, pace, lostSightMs } = this.#options;
    const incarnations = new IncarnationMemory(this.#database);
    return new Fleet({
      source: this.#source,
      clock,
      log,
      host: name,
      pace: pace ?? paceDefaults,
      busyMs: threadBusyMs,
      lostSightMs: lostSightMs ?? lostSightMsDefault,
      doubles: new DoubleMemory(this.#database),
      tracing: (run) => this.#tracings.viewOf(run),
      attention: (vm) => (this.#vault.inForce(vm) === null ? 'none' : 'watch'),
      listener: {
        news: (vm, events) => this.#judge.hear(vm, events),
        standing: (vm, events) => this.#judge.standing(vm, events),
        note: (vm, activity) => void incarnations.note(vm, activity),
        guard: (event) => this.#tellGuard(event),
        attached: (vm, sight) => {
          const life = incarnations.beginOrFirst(vm, sight, log);
          // What was changed after the state it went back to is undone.
          if (life.began === 'went-back') this.#changes.forget(vm);
          return life;
        },
      },
    });
  }

  async #install(envelope: SealedManifest): Promise<Result<number>> {
    const installed = this.#vault.install(envelope);
    if (!installed.ok) {
      this.#options.log.warn('manifest refused', { why: sayProblem(installed.error) });
      return installed;
    }
    const { vm, generation } = installed.value;
    if (this.#vault.inForce(vm) === null) this.#changes.forget(vm);
    this.#fleet.attend(vm);
    this.#tracings.reconcile(this.#fleet.all());
    this.#post.hurry();
    this.#options.log.info('manifest installed', { vm, generation });
    return ok(generation);
  }

  async #enforcer(vm: string): Promise<Result<Enforcer>> {
    const watch = this.#fleet.get(vm);
    const enforcer = (await (watch === undefined ? this.#source.kept?.(vm) : watch.enforcer())) ?? null;
    const none = problem('not-found', `VM ${vm} does not run here, or its monitor cannot be reached.`);
    return enforcer === null ? fail(none) : ok(enforcer);
  }

  async #abilities(vm: string): Promise<Result<readonly Ability[]>> {
    const enforcer = await this.#enforcer(vm);
    if (!enforcer.ok) return enforcer;
    return ok([...(await abilitiesOf(enforcer.value)), ...(await this.#network.abilities(vm))]);
  }

  #order(envelope: SealedManifest): Promise<Result<Remediation>> {
    return takeOrder(envelope, {
      trusted: this.#options.trusted,
      clock: this.#options.clock,
      executor: this.#executor,
      // What starts a VM again is asked for one that does not run.
      knows: ({ vm, action }) => action === 'undo-save' || this.#fleet.get(vm) !== undefined,
    });
  }

  #reconcile(): void {
    this.#tracings.reconcile(this.#fleet.all());
    this.#network.reconcile(this.#fleet.all());
    this.#orders.resume((vm) => this.#fleet.get(vm) !== undefined);
  }

  #recheck(): void {
    this.#changes.flush();
    const nowMs = this.#options.clock.monotonic();
    const thorough = nowMs - this.#thoroughAtMs >= thoroughEveryMs;
    if (thorough) this.#thoroughAtMs = nowMs;
    if (thorough) this.#evidence.tend();
    for (const vm of this.#vault.recheck(thorough)) this.#fleet.attend(vm);
    const watched = this.#fleet.all().filter((watch) => watch.watched);
    this.#integrity.reconcile(watched);
    this.#flows?.reconcile(watched);
  }

  #found(finding: Finding, manifest: Manifest): void {
    this.#outbox.find(finding);
    this.#orders.answer(finding, manifest);
    this.#post.hurry();
  }

  #tellGuard(event: GuardEvent): void {
    this.#options.log.warn('guard event', { vm: event.vm, what: event.what, detail: event.detail });
    this.#outbox.guard(event);
    const manifest = this.#vault.inForce(event.vm)?.manifest;
    if (manifest !== undefined) this.#orders.answerTampering(event, manifest);
  }

  #makeTracings(): Tracings {
    const { clock, log, startTracer, holdMs, lostSightMs } = this.#options;
    return new Tracings({
      clock,
      log,
      startTracer: startTracer ?? startTracerProcess,
      holdMs: holdMs ?? holdMsDefault,
      lostMs: lostSightMs ?? lostSightMsDefault,
      inForce: (vm) => {
        const manifest = this.#vault.inForce(vm)?.manifest;
        return manifest === undefined ? null : this.#changes.joined(manifest);
      },
      settled: (id) => this.#executor.settled(id),
      prepare: async (watch) => {
        const monitor = await monitorOf(watch);
        return monitor.ok ? await this.#source.traceGround(watch.entry.handle, monitor.value) : monitor;
      },
      listener: {
        news: (vm, events) => this.#judge.hear(vm, events),
        found: (finding) => {
          const manifest = this.#vault.inForce(finding.deviation.vm)?.manifest;
          if (manifest !== undefined) this.#found(finding, manifest);
        },
        remedy: (remediation) => this.#executor.note(remediation),
        guard: (event) => this.#tellGuard(event),
      },
    });
  }
}
