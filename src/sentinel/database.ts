// The sentinel's one SQLite file: opened for this process alone, durable at each commit, its failures said as problems.
import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { causeOf, type Problem, problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import { upgradeRecords } from './upgrade-records.ts';

export class Database {
  readonly path: string;
  readonly sqlite: DatabaseSync;

  constructor(path: string, sqlite: DatabaseSync) {
    this.path = path;
    this.sqlite = sqlite;
  }

  /** Runs `work` in one transaction; nothing of it stays when it fails. */
  write<T>(work: (sqlite: DatabaseSync) => T): Result<T> {
    try {
      this.sqlite.exec('BEGIN IMMEDIATE');
      try {
        const value = work(this.sqlite);
        this.sqlite.exec('COMMIT');
        return ok(value);
      } catch (error) {
        if (this.sqlite.isTransaction) this.sqlite.exec('ROLLBACK');
        throw error;
      }
    } catch (error) {
      return fail(databaseProblem(this.path, error));
    }
  }

  read<T>(work: (sqlite: DatabaseSync) => T): Result<T> {
    try {
      return ok(work(this.sqlite));
    } catch (error) {
      return fail(databaseProblem(this.path, error));
    }
  }

  close(): void {
    if (this.sqlite.isOpen) this.sqlite.close();
  }
}

const schema = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS batch (
    seq INTEGER PRIMARY KEY, body TEXT NOT NULL, bytes INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    thinned INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS owed_loss (vm TEXT PRIMARY KEY, loss_seconds REAL NOT NULL, missed INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS generation (
    vm TEXT PRIMARY KEY, generation INTEGER NOT NULL, digest TEXT NOT NULL, withdrawn INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS answer (
    id TEXT PRIMARY KEY, remediation TEXT NOT NULL, at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS plan_run (id TEXT PRIMARY KEY, body TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS incarnation (
    vm TEXT PRIMARY KEY, number INTEGER NOT NULL, run TEXT NOT NULL, booted_ms INTEGER NOT NULL,
    forks INTEGER NOT NULL, ticks INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS change_window (vm TEXT PRIMARY KEY, windows TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change_admitted (place INTEGER PRIMARY KEY, process TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS network_measure (
    vm TEXT NOT NULL, id TEXT NOT NULL, measure TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (vm, id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS collecting (
    key TEXT PRIMARY KEY, vm TEXT NOT NULL, step TEXT NOT NULL, at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS evidence (
    id TEXT PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER NOT NULL, at_ms INTEGER NOT NULL, removed INTEGER NOT NULL,
    report TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS cut_link (vm TEXT PRIMARY KEY, body TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS doubled (run TEXT PRIMARY KEY, vm TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
`;

export function openDatabase(path: string): Result<Database> {
  let sqlite: DatabaseSync | null = null;
  try {
    sqlite = new DatabaseSync(path, { timeout: 0 });
    chmodSync(path, 0o600);
    // Exclusive: two sentinels on one directory would answer everything twice.
    sqlite.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    sqlite.exec(`BEGIN IMMEDIATE; ${schema}`);
    upgradeRecords(sqlite);
    sqlite.exec('COMMIT');
    return ok(new Database(path, sqlite));
  } catch (error) {
    sqlite?.close();
    return fail(databaseProblem(path, error));
  }
}

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html); extended ones carry them in the low byte. */
function databaseProblem(path: string, error: unknown): Problem {
  const code = (error as { errcode?: unknown }).errcode;
  switch (typeof code === 'number' ? code % 256 : -1) {
    case 5:
      return problem(
        'refused',
        `${path} is in use by another sentinel.`,
        'Stop the other one, or give this one a state directory of its own.',
      );
    case 8:
    case 14:
      return problem('failed', `${path} cannot be written.`, 'Check the permissions of the state directory.');
    case 13:
      return problem(
        'failed',
        `${path} cannot be written: the disk is full.`,
        'Free some space; what was being written was not kept.',
      );
    case 11:
    case 26:
      return problem(
        'unreadable',
        `${path} is damaged.`,
        'Move it away and start again: the manager sends the manifests anew, batches not yet delivered are lost.',
      );
    default:
      return problem('failed', `${path} could not be used: ${causeOf(error)}.`);
  }
}
