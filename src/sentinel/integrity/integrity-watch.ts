// Watches over the integrity of every guest a manifest applies to, on a thread of its own: what it finds becomes a guard event,
// told once in a while for as long as it lasts.
import { extname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { IntegrityFinding } from '../../introspection/integrity/integrity-view.ts';
import { findStretches, memoryBytes } from '../../introspection/memory/attach-memory.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import type { IntegrityReport, IntegrityTarget } from './integrity-look.ts';
import type { FromIntegrity, ToIntegrity } from './integrity-messages.ts';
import { tamperingOf } from './tampering-of.ts';

export interface IntegrityWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What another thread needs to read the guest; a problem while that cannot be had. */
  readonly target: (watch: VmWatch) => Promise<Result<IntegrityTarget>>;
  readonly guard: (event: GuardEvent) => void;
}

interface Watched {
  readonly watch: VmWatch;
  readonly run: string;
  state: 'asking' | 'watched' | 'unwatchable';
  /** When it may be tried again. */
  againMs: number;
  why: string | null;
  rounds: number;
  /** Of the guest when it was last said where its memory lies; null = not said since the watch began. */
  memoryBytes: number | null;
  readonly unseen: { kernel: number; processes: number };
}

export interface IntegrityHealth {
  readonly vm: string;
  readonly state: Watched['state'];
  readonly rounds: number;
  /** How much the last looks could not see: where nothing was seen, nothing found is no clean bill. */
  readonly unseen: { readonly kernel: number; readonly processes: number };
  readonly why: string | null;
}

const tellAgainMs = 600_000;
const toldMax = 10_000;
const retryMs = 10_000;
/** A guest that is traced stands still for moments, in which it cannot be told from a paused one. */
const momentTries = 10;
const momentMs = 30;
const lookMs = 60_000;
const heapMiB = 1024;

export class IntegrityWatch {
  readonly #options: IntegrityWatchOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #told = new RecentMap<string, number>(toldMax);
  readonly #asked = new Map<number, (answer: Result<IntegrityReport>) => void>();
  #worker: Worker | null = null;
  #lastId = 0;
  #closed = false;

  constructor(options: IntegrityWatchOptions) {
    this.#options = options;
  }

  /** `watches`: of the guests that are to be watched over; called every few seconds. */
  reconcile(watches: readonly VmWatch[]): void {
    if (this.#closed) return;
    const wanted = new Map(watches.map((watch) => [runOf(watch), watch]));
    for (const run of this.#watched.keys())
      if (!wanted.has(run)) {
        this.#watched.delete(run);
        this.#worker?.postMessage({ say: 'forget', run } satisfies ToIntegrity);
      }
    const nowMs = this.#options.clock.monotonic();
    for (const [run, watch] of wanted) {
      const known = this.#watched.get(run);
      const isDue = known === undefined || (known.state === 'unwatchable' && nowMs >= known.againMs);
      // A baseline is worth most early, but a guest that is not attached to has no kernel yet.
      if (isDue && watch.running && watch.incarnation > 0) void this.#begin(run, watch);
    }
  }

  health(): readonly IntegrityHealth[] {
    return [...this.#watched.values()].map(({ watch, state, rounds, unseen, why }) => ({
      vm: watch.entry.id,
      state,
      rounds,
      unseen,
      why,
    }));
  }

  /** One whole look at a guest, watched over or not. */
  async look(watch: VmWatch, vmlinuz: string | null): Promise<Result<IntegrityReport>> {
    const target = await this.#target(watch);
    if (!target.ok) return target;
    const { promise, resolve } = Promise.withResolvers<Result<IntegrityReport>>();
    this.#lastId += 1;
    const id = this.#lastId;
    this.#asked.set(id, resolve);
    this.#send({ say: 'look', id, run: runOf(watch), target: target.value, vmlinuz });
    const late = setTimeout(
      () => resolve(fail(problem('failed', `No look at ${watch.entry.handle.name} ended within a minute.`))),
      lookMs,
    );
    const report = await promise;
    clearTimeout(late);
    this.#asked.delete(id);
    return report;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const settle of this.#asked.values()) settle(fail(problem('interrupted', 'The sentinel is ending.')));
    await this.#worker?.terminate();
  }

  async #begin(run: string, watch: VmWatch): Promise<void> {
    const watched: Watched = {
      watch,
      run,
      state: 'asking',
      againMs: 0,
      why: null,
      rounds: 0,
      memoryBytes: null,
      unseen: { kernel: 0, processes: 0 },
    };
    this.#watched.set(run, watched);
    const target = await this.#target(watch);
    if (this.#watched.get(run) !== watched) return;
    if (!target.ok) return this.#unwatchable(watched, sayProblem(target.error));
    watched.state = 'watched';
    this.#send({ say: 'watch', run, target: target.value });
  }

  async #target(watch: VmWatch): Promise<Result<IntegrityTarget>> {
    for (let tries = momentTries; ; tries -= 1) {
      const target = await this.#options.target(watch);
      if (target.ok || target.error.kind !== 'refused' || tries <= 1) return target;
      await wait(momentMs);
    }
  }

  #unwatchable(watched: Watched, why: string): void {
    watched.state = 'unwatchable';
    watched.why = why.slice(0, 2000);
    watched.againMs = this.#options.clock.monotonic() + retryMs;
    this.#options.log.warn('integrity not watched', { vm: watched.watch.entry.id, why: watched.why });
  }

  #send(message: ToIntegrity): void {
    if (this.#closed) return;
    this.#worker ??= this.#start();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a worker, not a window's
    this.#worker.postMessage(message);
  }

  #start(): Worker {
    const worker = new Worker(join(import.meta.dirname, `integrity-worker${extname(import.meta.filename)}`), {
      resourceLimits: { maxOldGenerationSizeMb: heapMiB },
    });
    // Nothing in it holds the sentinel.
    worker.unref();
    worker.on('message', (message) => this.#hear(message as FromIntegrity));
    worker.on('error', (error) => this.#ended(worker, error.message));
    worker.on('exit', (code) => this.#ended(worker, `exit code ${code}`));
    return worker;
  }

  #ended(worker: Worker, why: string): void {
    if (this.#worker !== worker || this.#closed) return;
    this.#worker = null;
    for (const watched of this.#watched.values()) this.#unwatchable(watched, `the integrity thread ended: ${why}`);
    for (const settle of this.#asked.values()) settle(fail(problem('failed', `The look broke off: ${why}.`)));
  }

  #hear(message: FromIntegrity): void {
    switch (message.say) {
      case 'looked':
        return this.#asked.get(message.id)?.(ok(message.report));
      case 'not-looked':
        return this.#asked.get(message.id)?.(fail(message.problem));
      case 'unwatchable': {
        const watched = this.#watched.get(message.run);
        return watched === undefined ? undefined : this.#unwatchable(watched, sayProblem(message.problem));
      }
      case 'round': {
        const watched = this.#watched.get(message.run);
        if (watched === undefined) return;
        watched.rounds += 1;
        watched.unseen[message.of] = message.unseen;
        for (const finding of message.findings) this.#tell(watched, finding);
        void this.#refresh(watched);
      }
    }
  }

  #tell({ watch, run }: Watched, finding: IntegrityFinding): void {
    const { clock, guard } = this.#options;
    const what = tamperingOf(finding);
    const key = JSON.stringify([run, finding.kind, finding.subject]);
    const nowMs = clock.monotonic();
    if (what === null || nowMs - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
    this.#told.set(key, nowMs);
    guard({
      vm: watch.entry.id,
      at: isoTime(clock.now()),
      what,
      subject: `${finding.kind} ${finding.subject}`.slice(0, 256),
      detail: `${finding.subject}: ${finding.detail}`.slice(0, 2000),
    });
  }

  /** Tables that registers lead to are looked for where they are now, and memory that was plugged in is looked at too. */
  async #refresh(watched: Watched): Promise<void> {
    const { watch, run } = watched;
    const monitor = await watch.monitor();
    if (monitor === null) return;
    const [registers, bytes] = await Promise.all([monitor.hmp('info registers -a'), memoryBytes(monitor)]);
    const mapped = bytes === watched.memoryBytes ? ok(null) : await findStretches(monitor);
    if (!registers.ok || !mapped.ok || this.#watched.get(run) !== watched) return;
    watched.memoryBytes = bytes;
    this.#send({ say: 'refresh', run, registers: registers.value, stretches: mapped.value });
  }
}

/** Another life of the guest has another kernel, or the same one put back: its baseline is taken anew. */
function runOf({ entry, incarnation }: VmWatch): string {
  return `${entry.run} ${incarnation}`;
}
