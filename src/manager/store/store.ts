// The manager's memory: committed or not there at all. Every trouble of the database is one Problem; no exception of it leaves.
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, type Dialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { causeOf, problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { migrations } from './migrations.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { storeProblem } from './store-problem.ts';
import type { Db, Tables } from './tables.ts';

export interface Store {
  /** Queries that change nothing. */
  read<T>(work: (db: Db) => Promise<T>): Promise<Result<T>>;
  /**
   * All or nothing: what `work` wrote is committed, and on disk, when this answers ok; a Problem of its own, or of the
   * database, takes everything back. Works run one after the other. Use only the `Db` that is handed in.
   */
  write<T>(work: (db: Db) => Promise<Result<T>>): Promise<Result<T>>;
  close(): Promise<void>;
}

export interface SqliteSettings {
  readonly file: string;
  /** The database file grows no further; then writes are refused as on a full disk. */
  readonly sizeBytesMax: number;
}

const pageBytes = 4096;

export async function openSqliteStore(settings: SqliteSettings): Promise<Result<Store>> {
  const opened = openDatabase(settings);
  return opened.ok ? await openStore(sqliteDialect(opened.value), settings.file) : opened;
}

/** Over any dialect that the migrations speak; `place` names the database in messages. */
export async function openStore(dialect: Dialect, place: string): Promise<Result<Store>> {
  const db = new Kysely<Tables>({ dialect });
  const migrated = await migrate(db, place);
  if (!migrated.ok) {
    await db.destroy();
    return migrated;
  }
  return ok({
    async read(work) {
      try {
        return ok(await work(db));
      } catch (thrown) {
        return fail(storeProblem(thrown, place));
      }
    },
    async write(work) {
      try {
        return ok(await db.transaction().execute(async (tx) => unwrap(await work(tx))));
      } catch (thrown) {
        return fail(thrown instanceof TakenBack ? thrown.reason : storeProblem(thrown, place));
      }
    },
    close: async () => await db.destroy(),
  });
}

/** Carries a Problem through Kysely's transaction, which rolls back on a throw and on nothing else. */
class TakenBack extends Error {
  readonly reason: Problem;
  constructor(reason: Problem) {
    super(reason.message);
    this.reason = reason;
  }
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new TakenBack(result.error);
  return result.value;
}

function openDatabase({ file, sizeBytesMax }: SqliteSettings): Result<DatabaseSync> {
  let database: DatabaseSync | null = null;
  try {
    // Its journals are made with the same permissions.
    closeSync(openSync(file, 'a', 0o600));
    database = new DatabaseSync(file, { timeout: 5000, enableForeignKeyConstraints: true });
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA max_page_count = ${Math.floor(sizeBytesMax / pageBytes)}`,
    );
    const check = database.prepare('PRAGMA quick_check(1)').get() as { quick_check?: string } | undefined;
    if (check?.quick_check === 'ok') return ok(database);
    database.close();
    return fail(storeProblem({ errcode: 11 }, file));
  } catch (thrown) {
    database?.close();
    return fail(storeProblem(thrown, file));
  }
}

async function migrate(db: Kysely<Tables>, place: string): Promise<Result<null>> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return ok(null);
  if (/corrupted migrations/.test(causeOf(error)))
    return fail(
      problem('refused', `${place} was written by a newer Plumbline than this one.`, 'Start the newer version again.'),
    );
  return fail(storeProblem(error, place));
}
