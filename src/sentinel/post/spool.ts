// Batches wait here, on disk, until the manager has stored them. Bounded in bytes and age: the oldest observations give way
// first and turn into losses in the very batch they stood in; findings stay until nothing else is left to drop.
import type { Clock } from '../../kit/clock.ts';
import { type Result, ok } from '../../kit/result.ts';
import type { Coverage } from '../../model/profile.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Database } from '../database.ts';

export interface SpoolLimits {
  /** Default 64 MiB. */
  readonly bytesMax?: number;
  /** Default 7 days. */
  readonly ageMsMax?: number;
}

export type NewBatch = Omit<SentinelBatch, 'seq'>;

export interface SpoolHealth {
  readonly batches: number;
  readonly bytes: number;
  /** Batches whose observations gave way, and batches dropped whole, since the spool was opened. */
  readonly thinned: number;
  readonly dropped: number;
}

const bytesMaxDefault = 64 * 1024 * 1024;
const ageMsMaxDefault = 7 * 24 * 3600 * 1000;

interface Row {
  readonly seq: number;
  readonly body: string;
}

export class Spool {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #ageMsMax: number;
  #thinned = 0;
  #dropped = 0;

  constructor(database: Database, clock: Clock, limits: SpoolLimits = {}) {
    this.#database = database;
    this.#clock = clock;
    this.#bytesMax = limits.bytesMax ?? bytesMaxDefault;
    this.#ageMsMax = limits.ageMsMax ?? ageMsMaxDefault;
  }

  /** Keeps a batch, numbered; when this fails nothing was kept and the caller still has it. */
  keep(batch: NewBatch): Result<number> {
    return this.#database.write((sqlite) => {
      const seq = this.#nextSeq();
      const body = JSON.stringify({ ...batch, seq, coverage: this.#withOwedLoss(batch.coverage) });
      sqlite
        .prepare('INSERT INTO batch (seq, body, bytes, at_ms) VALUES (?, ?, ?, ?)')
        .run(seq, body, Buffer.byteLength(body), this.#clock.now());
      sqlite.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('last_seq', ?)").run(String(seq));
      this.#enforceLimits();
      return seq;
    });
  }

  oldest(): Result<SentinelBatch | null> {
    const found = this.#database.read((sqlite) =>
      sqlite.prepare('SELECT seq, body FROM batch ORDER BY seq LIMIT 1').get(),
    );
    if (!found.ok) return found;
    return ok(found.value === undefined ? null : (JSON.parse(String(found.value['body'])) as SentinelBatch));
  }

  acknowledge(seq: number): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite.prepare('DELETE FROM batch WHERE seq <= ?').run(seq);
    });
  }

  health(): SpoolHealth {
    const sums = this.#database.read((sqlite) =>
      sqlite.prepare('SELECT count(*) AS batches, coalesce(sum(bytes), 0) AS bytes FROM batch').get(),
    );
    const row = sums.ok ? sums.value : undefined;
    return {
      batches: Number(row?.['batches'] ?? 0),
      bytes: Number(row?.['bytes'] ?? 0),
      thinned: this.#thinned,
      dropped: this.#dropped,
    };
  }

  /**
   * A first number is taken from the clock: a sentinel whose database was lost must not repeat numbers the manager has
   * stored already, or its batches would be taken for repetitions.
   */
  #nextSeq(): number {
    const row = this.#database.sqlite.prepare("SELECT value FROM meta WHERE key = 'last_seq'").get();
    return row === undefined ? Math.max(1, Math.floor(this.#clock.now())) : Number(row['value']) + 1;
  }

  #enforceLimits(): void {
    const { sqlite } = this.#database;
    const oldestMs = this.#clock.now() - this.#ageMsMax;
    const bytes = (): number => Number(sqlite.prepare('SELECT coalesce(sum(bytes), 0) AS b FROM batch').get()?.['b']);
    const old = sqlite.prepare('SELECT seq, body FROM batch WHERE at_ms < ? ORDER BY seq').all(oldestMs);
    for (const row of old) this.#drop(rowOf(row));
    let held = bytes();
    while (held > this.#bytesMax) {
      const next = sqlite.prepare('SELECT seq, body FROM batch WHERE thinned = 0 ORDER BY seq LIMIT 1').get();
      if (next === undefined) break;
      this.#thin(rowOf(next));
      held = bytes();
    }
    while (held > this.#bytesMax) {
      const next = sqlite.prepare('SELECT seq, body FROM batch ORDER BY seq LIMIT 1').get();
      if (next === undefined) break;
      this.#drop(rowOf(next));
      held = bytes();
    }
  }

  #thin({ seq, body }: Row): void {
    const batch = JSON.parse(body) as SentinelBatch;
    // What VMs show is told again within a day.
    const { vms: _, traits: _traits, ...rest } = batch;
    const lean = JSON.stringify({ ...rest, observed: [], coverage: batch.coverage.map((it) => asLost(it, batch)) });
    this.#database.sqlite
      .prepare('UPDATE batch SET body = ?, bytes = ?, thinned = 1 WHERE seq = ?')
      .run(lean, Buffer.byteLength(lean), seq);
    this.#thinned += 1;
  }

  #drop({ seq, body }: Row): void {
    const batch = JSON.parse(body) as SentinelBatch;
    const { sqlite } = this.#database;
    const owe = sqlite.prepare(
      `INSERT INTO owed_loss (vm, loss_seconds, missed) VALUES (?, ?, ?)
       ON CONFLICT (vm) DO UPDATE SET loss_seconds = loss_seconds + excluded.loss_seconds, missed = missed + excluded.missed`,
    );
    for (const lost of batch.coverage.map((it) => asLost(it, batch))) owe.run(lost.vm, lost.lossSeconds, lost.missed);
    sqlite.prepare('DELETE FROM batch WHERE seq = ?').run(seq);
    this.#dropped += 1;
  }

  #withOwedLoss(coverage: readonly Coverage[]): Coverage[] {
    const { sqlite } = this.#database;
    const owed = sqlite.prepare('SELECT vm, loss_seconds, missed FROM owed_loss LIMIT 10000').all();
    if (owed.length === 0) return [...coverage];
    const byVm = new Map(coverage.map((it) => [it.vm, it]));
    for (const row of owed) {
      const vm = String(row['vm']);
      const lossSeconds = Number(row['loss_seconds']);
      const now = byVm.get(vm) ?? { vm, observedSeconds: 0, lossSeconds: 0, missed: 0 };
      byVm.set(vm, {
        vm,
        // What was dropped was watched as well: a loss is a part of the time observed.
        observedSeconds: now.observedSeconds + lossSeconds,
        lossSeconds: now.lossSeconds + lossSeconds,
        missed: now.missed + Number(row['missed']),
      });
    }
    sqlite.exec('DELETE FROM owed_loss');
    return [...byVm.values()];
  }
}

/** The time a batch covered, once its observations are gone: all of it lost, each of them missed. */
function asLost(coverage: Coverage, batch: SentinelBatch): Coverage {
  const items = batch.observed.find((it) => it.vm === coverage.vm)?.items.length ?? 0;
  return {
    vm: coverage.vm,
    observedSeconds: coverage.observedSeconds,
    lossSeconds: Math.max(coverage.observedSeconds, coverage.lossSeconds),
    missed: coverage.missed + items,
  };
}

function rowOf(row: { readonly [column: string]: unknown }): Row {
  return { seq: Number(row['seq']), body: String(row['body']) };
}
