// What this host has collected, kept over restarts: which step began which collection, each file with what was reported of it, and the
// manager's last word about what to keep.
import type { DatabaseSync } from 'node:sqlite';
import type { Result } from '../../kit/result.ts';
import type { EvidenceReport } from '../../model/evidence.ts';
import type { Database } from '../database.ts';

export interface CollectingStep {
  readonly key: string;
  readonly vm: string;
  readonly step: string;
}

export interface HeldFile {
  readonly id: string;
  /** Below the directory of evidence; empty = there never was a file. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly atMs: number;
  readonly removed: boolean;
  readonly report: EvidenceReport;
}

export interface ManagersWord {
  readonly issuedMs: number;
  readonly keep: readonly string[];
}

/** Rows of either table; the oldest that hold nothing any more make room. */
const rowsMax = 20_000;
const wordKey = 'evidence_word';

export class EvidenceMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  begin({ key, vm, step }: CollectingStep, nowMs: number): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO collecting (key, vm, step, at_ms) VALUES (?, ?, ?, ?)')
        .run(key, vm, step, nowMs);
      sqlite
        .prepare('DELETE FROM collecting WHERE key NOT IN (SELECT key FROM collecting ORDER BY at_ms DESC LIMIT ?)')
        .run(rowsMax);
    });
  }

  /** Whose file it is: its name begins with the key of the step. Null = of no step of ours. */
  stepOf(name: string): Result<CollectingStep | null> {
    return this.#database.read((sqlite) => {
      const row = sqlite
        .prepare(
          `SELECT key, vm, step FROM collecting WHERE key = ?1 OR substr(?1, 1, length(key) + 1) IN (key || '-', key || '.')
           ORDER BY length(key) DESC LIMIT 1`,
        )
        .get(name);
      return row === undefined ? null : { key: String(row['key']), vm: String(row['vm']), step: String(row['step']) };
    });
  }

  put({ id, path, sizeBytes, atMs, removed, report }: HeldFile): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO evidence (id, path, bytes, at_ms, removed, report) VALUES (?, ?, ?, ?, ?, ?)')
        .run(id, path, sizeBytes, atMs, removed ? 1 : 0, JSON.stringify(report));
      sqlite
        .prepare(
          `DELETE FROM evidence WHERE removed = 1
           AND id NOT IN (SELECT id FROM evidence WHERE removed = 1 ORDER BY at_ms DESC LIMIT ?)`,
        )
        .run(rowsMax);
    });
  }

  get(id: string): Result<HeldFile | null> {
    return this.#database.read((sqlite) => {
      const row = sqlite.prepare('SELECT * FROM evidence WHERE id = ?').get(id);
      return row === undefined ? null : heldFile(row);
    });
  }

  /** Everything that is known, oldest first. */
  all(): Result<readonly HeldFile[]> {
    return this.#database.read((sqlite) =>
      sqlite
        .prepare('SELECT * FROM evidence ORDER BY at_ms, id LIMIT ?')
        .all(2 * rowsMax)
        .map(heldFile),
    );
  }

  /** Files that are still there, oldest first. */
  present(): Result<readonly HeldFile[]> {
    return this.#database.read((sqlite) =>
      sqlite
        .prepare("SELECT * FROM evidence WHERE removed = 0 AND path != '' ORDER BY at_ms, id LIMIT ?")
        .all(2 * rowsMax)
        .map(heldFile),
    );
  }

  word(): Result<ManagersWord | null> {
    return this.#database.read(readWord);
  }

  /** False = one that is as new was taken before. */
  takeWord(word: ManagersWord): Result<boolean> {
    return this.#database.write((sqlite) => {
      if ((readWord(sqlite)?.issuedMs ?? 0) >= word.issuedMs) return false;
      sqlite.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(wordKey, JSON.stringify(word));
      return true;
    });
  }
}

function readWord(sqlite: DatabaseSync): ManagersWord | null {
  const row = sqlite.prepare('SELECT value FROM meta WHERE key = ?').get(wordKey);
  return row === undefined ? null : (JSON.parse(String(row['value'])) as ManagersWord);
}

function heldFile(row: { readonly [column: string]: unknown }): HeldFile {
  return {
    id: String(row['id']),
    path: String(row['path']),
    sizeBytes: Number(row['bytes']),
    atMs: Number(row['at_ms']),
    removed: row['removed'] === 1,
    report: JSON.parse(String(row['report'])) as EvidenceReport,
  };
}
