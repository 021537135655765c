// Pages by position, not by number: what is added at the top meanwhile neither repeats nor hides a row further down.

export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
  readonly total: number;
}

export function cursorOf(at: string, id: string): string {
  return `${at}~${id}`;
}

/** Null for none, and for one that was never handed out: the list then begins at its beginning. */
export function readCursor(text: string | undefined): { readonly at: string; readonly id: string } | null {
  const cut = text?.indexOf('~') ?? -1;
  if (text === undefined || cut < 0) return null;
  return { at: text.slice(0, cut), id: text.slice(cut + 1) };
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
