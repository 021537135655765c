// Lets Kysely speak to the SQLite inside Node: its dialect asks for the statements of better-sqlite3, node:sqlite has others.
import { SqliteDialect } from 'kysely';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

export function sqliteDialect(database: DatabaseSync): SqliteDialect {
  return new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        // SQLite takes a transaction back by itself when the disk is full; Kysely's own rollback would then fail and hide why.
        if (sql === 'rollback' && !database.isTransaction) return nothing;
        const statement = database.prepare(sql);
        return {
          reader: statement.columns().length > 0,
          all: (parameters) => statement.all(...parameters.map(inputOf)),
          run: (parameters) => statement.run(...parameters.map(inputOf)),
          iterate: (parameters) => statement.iterate(...parameters.map(inputOf)),
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
