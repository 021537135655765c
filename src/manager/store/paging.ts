// Pages by position, not by number: what is added at the top meanwhile neither repeats nor hides a row further down.
import { sql, type RawBuilder, type SqlBool } from 'kysely';

export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
  readonly total: number;
}

export function cursorOf(at: string, id: string): string {
  return `${at}~${id}`;
}

/**
 * Holds for rows of a list, latest first by `column` and then `id`, that come behind the cursor; for all rows when there is none, and
 * for one that was never handed out: the list then begins at its beginning.
 */
export function isBehind(column: string, cursor: string | undefined): RawBuilder<SqlBool> {
  const cut = cursor?.indexOf('~') ?? -1;
  if (cursor === undefined || cut < 0) return sql<SqlBool>`1 = 1`;
  return sql<SqlBool>`(${sql.ref(column)}, id) < (${cursor.slice(0, cut)}, ${cursor.slice(cut + 1)})`;
}

/** The page that `rows` hold, one more than `limit` having been asked for to know whether another page follows. */
export function pageFrom<Row extends { readonly id: string }, T>(
  rows: readonly Row[],
  limit: number,
  total: unknown,
  read: { readonly at: (row: Row) => string; readonly item: (row: Row) => T },
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => read.item(row)),
    next: rows.length > limit && last !== undefined ? cursorOf(read.at(last), last.id) : null,
    total: Number(total),
  };
}
