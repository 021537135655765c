// Lets Kysely speak to the SQLite inside Node: its dialect asks for the statements of better-sqlite3, node:sqlite has others.
import { SqliteDialect } from 'kysely';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** Preparing costs more than running most statements; the manager has some two hundred of them. */
const statementsKept = 500;

export function sqliteDialect(database: DatabaseSync): SqliteDialect {
  const kept = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = kept.get(sql);
    if (known !== undefined) return known;
    if (kept.size >= statementsKept) kept.clear();
    const statement = database.prepare(sql);
    kept.set(sql, statement);
    return statement;
  };
  return new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        // SQLite takes a transaction back by itself when the disk is full; Kysely's own rollback would then fail and hide why.
        if (sql === 'rollback' && !database.isTransaction) return nothing;
        const statement = prepared(sql);
        return {
          reader: statement.columns().length > 0,
          all: (parameters) => statement.all(...parameters.map(inputOf)),
          run: (parameters) => statement.run(...parameters.map(inputOf)),
          // Two iterations of one statement would disturb each other.
          iterate: (parameters) => database.prepare(sql).iterate(...parameters.map(inputOf)),
        };
      },
    },
  });
}

const nothing = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [].values(),
};

function inputOf(value: unknown): SQLInputValue {
  if (value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value as SQLInputValue;
}
