// The tracer's side of its watchdog: starts it when the first trace is to be guarded, sends it signs of life, and notices when it
// is the watchdog that has died.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { extname, join } from 'node:path';
import { problem } from '../../../kit/problem.ts';
import type { Problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import type { GuardedStub, Guardian, Watch } from '../guardian.ts';
import { weighAlike } from './scheduling-group.ts';
import { readReport } from './watchdog-words.ts';
import type { Order, Report } from './watchdog-words.ts';

export interface WatchdogOptions {
  /** After how many milliseconds without a beat the guest is taken from the tracer. Default 400. No less is waited for the watchdog itself. */
  readonly lateMs?: number;
}

/** With the time to free it on a busy host, a guest stands for less than a second however its tracer ends. */
const lateMsDefault = 400;
const readyMs = 10_000;
const watchMs = 8_000;
const closeMs = 2_000;
/** Beats closer together than this say nothing new. */
const beatGapMs = 80;
/** So many beats without an echo, at least: the watchdog is stopped or gone. Counted, not timed: a starved tracer sends none. */
const beatsUnheardLeast = 20;
/** Enough for the watchdog's few kilobytes, and a bound. */
const heapMiB = 32;

/** One watchdog process for all traces of this process; it is there while there are any. */
export class WatchdogGuardian implements Guardian {
  readonly #lateMs: number;
  #dog: Promise<Result<Watchdog>> | null = null;
  #lastId = 0;

  constructor(options: WatchdogOptions = {}) {
    this.#lateMs = options.lateMs ?? lateMsDefault;
  }

  /** Problems: `refused` = the stub is in use; `failed` = no watchdog could be started, or QEMU does not answer. */
  async watch(stub: GuardedStub): Promise<Result<Watch>> {
    const old = await this.#dog;
    if (old?.ok === true && !old.value.connected) this.#dog = null;
    this.#dog ??= this.#start();
    const dog = await this.#dog;
    if (!dog.ok) return dog;
    this.#lastId += 1;
    return dog.value.watch(this.#lastId, stub);
  }

  /** Process id of the watchdog; undefined when there is none. */
  async pid(): Promise<number | undefined> {
    const dog = await this.#dog;
    return dog?.ok === true ? dog.value.pid : undefined;
  }

  async #start(): Promise<Result<Watchdog>> {
    const dog = await Watchdog.start(this.#lateMs);
    if (!dog.ok) this.#dog = null;
    return dog;
  }
}

type Settle = (report: Report, connection: Socket | undefined) => void;

class Watchdog {
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  /** What waits for a report: of a trace by its id, of the start by 0. */
  readonly #waiting = new Map<number, Settle>();
  readonly #beatsUnheardMax: number;
  readonly #watches = new Map<number, GuardedWatch>();

  static async start(lateMs: number): Promise<Result<Watchdog>> {
    const main = join(import.meta.dirname, `watchdog-main${extname(import.meta.filename)}`);
    const child = fork(main, [String(lateMs)], {
      // A group of its own: what ends the tracer from a terminal does not end its watchdog.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [`--max-old-space-size=${heapMiB}`],
      env: {},
    });
    if (child.pid !== undefined) weighAlike(child.pid);
    const dog = new Watchdog(child, Math.max(beatsUnheardLeast, Math.ceil(lateMs / beatGapMs)));
    const ready = await dog.#answer(0, readyMs);
    if (ready?.report.say === 'ready') return ok(dog);
    const { exitCode, signalCode } = child;
    const ended = exitCode !== null || signalCode !== null;
    const why = ended ? `it ended with ${signalCode ?? exitCode}` : `it was not ready within ${readyMs / 1000} s`;
    child.kill('SIGKILL');
    const message = `The watchdog that guards traced guests could not be started: ${why}.`;
    return fail(problem('failed', message, 'Nothing is traced without it.'));
  }

  private constructor(child: ChildProcess, beatsUnheardMax: number) {
    this.#child = child;
    this.#beatsUnheardMax = beatsUnheardMax;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const end = (): void => {
      this.#loseAll('has ended');
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
    child.once('disconnect', end);
    child.on('message', (message, handle) => this.#take(message, handle));
    // Neither the process nor its channel keeps a tracer alive that has nothing left to do.
    child.unref();
    child.channel?.unref();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get connected(): boolean {
    return this.#child.connected;
  }

  async watch(id: number, stub: GuardedStub): Promise<Result<Watch>> {
    const watch = new GuardedWatch(
      id,
      (order) => this.#say(order),
      () => this.#close(id),
      (unheard) => this.#bears(unheard),
    );
    this.#watches.set(id, watch);
    this.#say({ do: 'watch', id, socketPath: stub.socketPath, qemuPid: stub.qemuPid });
    const answer = await this.#answer(id, watchMs);
    if (answer?.report.say === 'watching' && answer.connection !== undefined) {
      watch.begin(answer.connection, answer.report.ranBefore);
      return ok(watch);
    }
    this.#forget(id);
    const message =
      answer?.report.say === 'refused'
        ? answer.report.message
        : 'The watchdog that guards traced guests did not answer.';
    return fail(problem('refused', message, 'Nothing is traced without a watchdog; try again.'));
  }

  #answer(id: number, withinMs: number): Promise<{ report: Report; connection: Socket | undefined } | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(null), withinMs);
      const settle = (answer: { report: Report; connection: Socket | undefined } | null): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(answer);
      };
      this.#waiting.set(id, (report, connection) => settle({ report, connection }));
      void this.ended.then(() => settle(null));
    });
  }

  #take(message: unknown, handle: unknown): void {
    const report = readReport(message);
    if (report === null) return;
    const id = report.say === 'ready' ? 0 : report.id;
    const connection = handle instanceof Socket ? handle : undefined;
    if (report.say === 'heard') this.#watches.get(id)?.echo();
    else if (report.say === 'taken') this.#taken(id, report.why);
    else this.#waiting.get(id)?.(report, connection);
  }

  #taken(id: number, why: string): void {
    this.#watches.get(id)?.lose(`The watchdog took the guest from the tracer: ${why}`);
    this.#forget(id);
  }

  async #close(id: number): Promise<void> {
    this.#say({ do: 'close', id });
    await this.#answer(id, closeMs);
    this.#forget(id);
  }

  #forget(id: number): void {
    this.#watches.delete(id);
    // Without a trace no watchdog: it ends when the channel does.
    if (this.#watches.size === 0 && this.#child.connected) this.#child.disconnect();
  }

  /** A watchdog that does not answer guards nothing, and would cut the next trace when it comes to. */
  #bears(unheard: number): boolean {
    if (unheard <= this.#beatsUnheardMax) return true;
    this.#loseAll('does not answer');
    this.#child.kill('SIGKILL');
    return false;
  }

  #loseAll(what: string): void {
    for (const watch of this.#watches.values()) watch.lose(`The watchdog of this trace ${what}.`);
    this.#watches.clear();
  }

  #say(order: Order): void {
    // A channel that is gone is told of by the child's end.
    if (this.#child.connected) this.#child.send(order, () => {});
  }
}

class GuardedWatch implements Watch {
  readonly lost: Promise<Problem | null>;
  /** Both set before anybody is given this watch. */
  connection!: Socket;
  ranBefore!: boolean;
  readonly #id: number;
  readonly #say: (order: Order) => void;
  readonly #close: () => Promise<void>;
  readonly #bears: (unheard: number) => boolean;
  readonly #settle: (why: Problem | null) => void;
  #saidMs = 0;
  #unheard = 0;
  #over = false;

  constructor(
    id: number,
    say: (order: Order) => void,
    close: () => Promise<void>,
    bears: (unheard: number) => boolean,
  ) {
    this.#id = id;
    this.#say = say;
    this.#close = close;
    this.#bears = bears;
    const { promise, resolve } = Promise.withResolvers<Problem | null>();
    this.lost = promise;
    this.#settle = resolve;
  }

  begin(connection: Socket, ranBefore: boolean): void {
    this.connection = connection;
    this.ranBefore = ranBefore;
    connection.once('close', () => this.#tell({ do: 'cut', id: this.#id }));
  }

  beat(): void {
    const nowMs = performance.now();
    if (this.#over || nowMs - this.#saidMs < beatGapMs) return;
    this.#saidMs = nowMs;
    this.#unheard += 1;
    if (this.#bears(this.#unheard)) this.#say({ do: 'beat', id: this.#id });
  }

  echo(): void {
    this.#unheard = 0;
  }

  hold(forMs: number): void {
    this.#tell({ do: 'hold', id: this.#id, forMs });
  }

  release(): void {
    this.#tell({ do: 'release', id: this.#id });
  }

  pausedByOther(paused: boolean): void {
    this.#tell({ do: 'paused-by-other', id: this.#id, paused });
  }

  lose(why: string): void {
    this.#end(problem('failed', why, 'The guest runs on; tracing it may be begun again.'));
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#end(null);
    this.connection.destroy();
    await this.#close();
  }

  #tell(order: Order): void {
    if (!this.#over) this.#say(order);
  }

  #end(why: Problem | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle(why);
  }
}
