// The measures that are to be in force on VMs of this host, kept over restarts of the sentinel: a VM that was restarted, migrated back
// or reverted is held against them.
import type { Result } from '../../kit/result.ts';
import type { NetworkMeasure } from '../../model/network-measure.ts';
import type { Database } from '../database.ts';
import type { PluggedPort } from './vm-ports.ts';

export interface WantedMeasure {
  readonly vm: string;
  /** The remediation's. */
  readonly id: string;
  /** Under which id the switches have it: of an earlier attempt at the same thing, when there was one. */
  readonly as: string;
  readonly measure: NetworkMeasure;
  /** What the VM was seen to use when this was first ordered: part of the order as the switches know it. Absent = none. */
  readonly claimed?: readonly string[];
  /** Where the VM was plugged in when it was last put into force. */
  readonly ports: readonly PluggedPort[];
}

/** More on one host means that somebody orders without end. */
const measuresMax = 10_000;

export class MeasureMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  all(): Result<readonly WantedMeasure[]> {
    return this.#database.read((sqlite) =>
      sqlite
        .prepare('SELECT measure FROM network_measure ORDER BY at_ms LIMIT ?')
        .all(measuresMax)
        .map((row) => JSON.parse(String(row['measure'])) as WantedMeasure),
    );
  }

  /** Null when there are too many already. */
  put(wanted: WantedMeasure, nowMs: number): Result<void> {
    return this.#database.write((sqlite) => {
      const [{ count } = { count: 0 }] = sqlite.prepare('SELECT count(*) AS count FROM network_measure').all() as {
        count: number;
      }[];
      if (count >= measuresMax) throw new Error(`${count} measures are kept, which is the most`);
      sqlite
        .prepare('INSERT OR REPLACE INTO network_measure (vm, id, measure, at_ms) VALUES (?, ?, ?, ?)')
        .run(wanted.vm, wanted.id, JSON.stringify(wanted), nowMs);
    });
  }

  remove(vm: string, id: string): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite.prepare('DELETE FROM network_measure WHERE vm = ? AND id = ?').run(vm, id);
    });
  }
}
