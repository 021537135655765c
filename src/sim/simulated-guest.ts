// A Linux guest that exists only as the shapes introspection would give: processes that fork, exec and exit, sockets, counters,
// snapshots of all of it, and a monitor that obeys as QEMU does. What it is told to do happens at once.
import type { Json } from '../kit/canonical-json.ts';
import { asText } from '../kit/json-object.ts';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Activity, SocketView, SweepResult, TaskView } from '../introspection/guest/guest-view.ts';
import type { Monitor, MonitorArguments, MonitorEvent, MonitorProblem } from '../protocols/qmp/monitor.ts';
import { monitorProblem } from '../protocols/qmp/monitor.ts';

export interface Program {
  readonly exe: string;
  readonly argv: readonly string[];
  readonly uid?: number;
}

interface World {
  readonly tasks: ReadonlyMap<number, TaskView>;
  readonly sockets: readonly SocketView[];
  readonly forks: number;
  readonly ticks: number;
  readonly nextPid: number;
  readonly bootedMs: number;
  /** Sockets ever opened. */
  readonly opened: number;
}

const tickMs = 4;

export class SimulatedGuest {
  readonly name: string;
  readonly uuid: string | null;
  pid: number;
  startTicks: number;
  alive = true;
  paused = false;
  /** What attaching answers instead of a session; null = it works. */
  unreadable: string | null = null;
  /** Commands QEMU accepts and then does not do; a real one may be that busy. */
  readonly idleCommands = new Set<string>();
  readonly monitors = new Set<SimulatedMonitor>();
  snapshots: string[] = [];
  diskFormat: string | null = 'qcow2';
  processors = 1;
  pluggedBytes = 0;
  /** Of a migration out of this host, in QEMU's words. */
  migration = 'none';
  /** QEMU tells of migrations only when it was asked to. */
  tellsMigrations = false;
  #world: World;
  /** Raised whenever another past is loaded, so that old sessions notice. */
  epoch = 0;
  readonly #kept = new Map<string, World>();
  readonly #now: () => number;

  constructor(name: string, uuid: string | null, pid: number, now: () => number) {
    this.name = name;
    this.uuid = uuid;
    this.pid = pid;
    this.startTicks = pid * 10;
    this.#now = now;
    this.#world = this.#freshWorld();
  }

  get bootedMs(): number {
    return this.#world.bootedMs;
  }

  get ticks(): number {
    return this.#world.ticks;
  }

  activity(): Activity {
    if (!this.paused) this.#world = { ...this.#world, ticks: this.#world.ticks + 1 };
    return { forks: this.#world.forks, ticks: this.#world.ticks, traffic: this.#world.opened };
  }

  sweep(): SweepResult {
    return {
      takenMs: this.#now(),
      tasks: [...this.#world.tasks.values()],
      sockets: this.#world.sockets,
      complete: true,
      notes: [],
      cost: { pages: 1, reads: 1, durationMs: 0.1 },
    };
  }

  /** Forks from `parent` (init by default) and execs; answers the pid. */
  spawn(program: Program, parent = 1): number {
    const pid = this.fork(parent);
    this.exec(pid, program);
    return pid;
  }

  fork(parent: number): number {
    const pid = this.#world.nextPid;
    const from = this.#world.tasks.get(parent);
    const child = {
      ...taskOf(pid, parent, this.#now(), this.#world.bootedMs),
      exe: from?.exe ?? null,
      argv: from?.argv ?? null,
      forkedNotExeced: true,
    };
    this.#set({ tasks: new Map(this.#world.tasks).set(pid, child), forks: this.#world.forks + 1, nextPid: pid + 1 });
    return pid;
  }

  exec(pid: number, { exe, argv, uid = 0 }: Program): void {
    const task = this.#world.tasks.get(pid);
    if (task === undefined) return;
    const execGeneration = task.execGeneration + 1;
    const next = {
      ...task,
      exe,
      argv,
      uid,
      euid: uid,
      execGeneration,
      forkedNotExeced: false,
      id: `${pid}.${task.startedAfterBootUs}.${execGeneration}`,
    };
    this.#set({ tasks: new Map(this.#world.tasks).set(pid, next) });
  }

  /** Takes another user's rights without an exec, as daemons and exploits do. */
  become(pid: number, uid: number): void {
    const task = this.#world.tasks.get(pid);
    if (task !== undefined) this.#set({ tasks: new Map(this.#world.tasks).set(pid, { ...task, uid, euid: uid }) });
  }

  exit(pid: number): void {
    const tasks = new Map(this.#world.tasks);
    tasks.delete(pid);
    for (const [child, task] of tasks) if (task.ppid === pid) tasks.set(child, { ...task, ppid: 1 });
    const sockets = this.#world.sockets.map((socket) => ({
      ...socket,
      holders: socket.holders.filter((holder) => holder.pid !== pid),
    }));
    this.#set({ tasks, sockets });
  }

  open(socket: SocketView): void {
    this.#set({ sockets: [...this.#world.sockets, socket], opened: this.#world.opened + 1 });
  }

  reboot(): void {
    this.#world = this.#freshWorld();
    this.epoch += 1;
    this.tell('RESET');
  }

  saveSnapshot(name: string): void {
    this.#kept.set(name, this.#world);
    if (!this.snapshots.includes(name)) this.snapshots = [...this.snapshots, name];
  }

  loadSnapshot(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#world = kept;
    this.epoch += 1;
    this.setPaused(false);
  }

  setPaused(paused: boolean): void {
    // Some time has passed until it stands.
    if (paused && !this.paused) this.#set({ ticks: this.#world.ticks + 1 });
    this.paused = paused;
    this.tell(paused ? 'STOP' : 'RESUME');
  }

  /** The QEMU process ends; its monitors with it. */
  end(): void {
    this.alive = false;
    for (const monitor of this.monitors) monitor.end(monitorProblem(problem('not-found', `${this.name} has ended.`)));
  }

  /** A migration out of this host gets so far. */
  migrate(status: string): void {
    this.migration = status;
    if (this.tellsMigrations) this.tell('MIGRATION', { status });
  }

  tell(name: string, data: MonitorEvent['data'] = {}): void {
    for (const monitor of this.monitors) monitor.tell({ name, data, atMs: this.#now() });
  }

  #set(changes: Partial<World>): void {
    this.#world = { ...this.#world, ...changes };
  }

  #freshWorld(): World {
    const bootedMs = this.#now();
    const init = { ...taskOf(1, 0, bootedMs, bootedMs), exe: '/sbin/init', argv: ['/sbin/init'], execGeneration: 1 };
    return {
      tasks: new Map([[1, init]]),
      sockets: [],
      forks: 1,
      ticks: Math.floor(10 / tickMs),
      nextPid: 2,
      bootedMs,
      opened: 0,
    };
  }
}

function taskOf(pid: number, ppid: number, nowMs: number, bootedMs: number): TaskView {
  const startedAfterBootUs = (nowMs - bootedMs) * 1000 + pid;
  return {
    id: `${pid}.${startedAfterBootUs}.0`,
    pid,
    tgid: pid,
    ppid,
    uid: 0,
    euid: 0,
    comm: 'task',
    kernelThread: false,
    startedAfterBootUs,
    startedMs: nowMs,
    execGeneration: 0,
    forkedNotExeced: false,
    transient: null,
    exe: null,
    argv: null,
    cgroup: '/',
    namespaces: null,
  };
}

export class SimulatedMonitor implements Monitor {
  readonly closed: Promise<MonitorProblem | null>;
  readonly #guest: SimulatedGuest;
  readonly #settle: (reason: MonitorProblem | null) => void;
  readonly #listeners = new Set<(event: MonitorEvent) => void>();
  #job: { readonly id: string; readonly error: string | null } | null = null;

  constructor(guest: SimulatedGuest) {
    this.#guest = guest;
    const { promise, resolve } = Promise.withResolvers<MonitorProblem | null>();
    this.closed = promise;
    this.#settle = resolve;
    guest.monitors.add(this);
  }

  execute(command: string, args: MonitorArguments = {}): Promise<Result<Json, MonitorProblem>> {
    if (!this.#guest.alive) return Promise.resolve(fail(monitorProblem(problem('failed', 'The connection ended.'))));
    if (this.#guest.idleCommands.has(command)) return Promise.resolve(ok({}));
    return Promise.resolve(this.#obey(command, args));
  }

  /** Its timer is all there is to read. */
  hmp(line: string): Promise<Result<string, MonitorProblem>> {
    const ticks = this.#guest.ticks.toString(16).padStart(8, '0');
    const timer = `00000000fed000f0: 0x${ticks} 0x00000000\r\n`;
    return Promise.resolve(ok(line === 'xp /2xw 0xfed000f0' ? timer : ''));
  }

  subscribe(listener: (event: MonitorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: MonitorEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  close(): void {
    this.end(null);
  }

  end(reason: MonitorProblem | null): void {
    this.#guest.monitors.delete(this);
    this.#listeners.clear();
    this.#settle(reason);
  }

  #obey(command: string, args: MonitorArguments): Result<Json, MonitorProblem> {
    const guest = this.#guest;
    switch (command) {
      case 'query-status':
        return ok({ status: guest.paused ? 'paused' : 'running', running: !guest.paused });
      case 'stop':
      case 'cont':
        guest.setPaused(command === 'stop');
        return ok({});
      case 'quit':
        guest.end();
        return ok({});
      case 'query-memory-size-summary':
        return ok({ 'base-memory': 128 * 1024 * 1024, 'plugged-memory': guest.pluggedBytes });
      case 'query-cpus-fast':
        return ok(
          Array.from({ length: guest.processors }, (_, i) => ({ 'qom-path': `/cpu/${i}`, 'thread-id': 100 + i })),
        );
      case 'query-migrate':
        return ok({ status: guest.migration });
      case 'query-migrate-capabilities':
        return ok([{ capability: 'events', state: guest.tellsMigrations }]);
      case 'migrate-set-capabilities':
        guest.tellsMigrations = true;
        return ok({});
      case 'query-block':
        return ok(guest.diskFormat === null ? [] : [diskOf(guest.diskFormat, guest.snapshots)]);
      case 'snapshot-save': {
        const tag = asText(args['tag']) ?? '';
        const taken = guest.snapshots.includes(tag);
        if (!taken) guest.saveSnapshot(tag);
        this.#job = { id: asText(args['job-id']) ?? '', error: taken ? `Snapshot '${tag}' already exists` : null };
        return ok({});
      }
      case 'snapshot-load': {
        const tag = asText(args['tag']) ?? '';
        const { paused } = guest;
        guest.loadSnapshot(tag);
        guest.paused = paused;
        this.#job = { id: asText(args['job-id']) ?? '', error: null };
        return ok({});
      }
      case 'query-jobs':
        return ok(
          this.#job === null
            ? []
            : [
                {
                  id: this.#job.id,
                  status: 'concluded',
                  ...(this.#job.error === null ? {} : { error: this.#job.error }),
                },
              ],
        );
      case 'job-dismiss':
        this.#job = null;
        return ok({});
      default:
        return fail(monitorProblem(problem('failed', `QEMU refused: ${command} is unknown`), 'CommandNotFound'));
    }
  }
}

function diskOf(format: string, snapshots: readonly string[]): Json {
  return {
    device: 'disk0',
    inserted: {
      'node-name': '#block1',
      drv: format,
      ro: false,
      image: { snapshots: snapshots.map((name) => ({ name })) },
    },
  };
}
