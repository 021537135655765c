// An aligned table that never breaks a line: cells are made safe, and on a terminal the long columns give way until it fits.
import type { Page, Style } from './page.ts';
import { visible } from './visible.ts';
import { columnsOf, cut } from './width.ts';

export interface Column<Row> {
  readonly title: string;
  /** Null = unknown, shown as a dash. A cell that was made safe before may pass again: escapes hold nothing to escape. */
  readonly cell: (row: Row) => string | number | null;
  readonly style?: (row: Row) => Style | null;
  readonly align?: 'right';
  /** May be cut when the terminal is too narrow. */
  readonly gives?: boolean;
}

interface Cell {
  readonly text: string;
  readonly style: Style | null;
}

const gap = '  ';
/** A column that gives keeps this much. */
const narrowest = 8;

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], page: Page): string {
  const heading = columns.map((column): Cell => ({ text: column.title, style: 'heading' }));
  const lines = [heading, ...rows.map((row) => columns.map((column) => cellOf(column, row)))];
  const natural = columns.map((_, i) =>
    lines.reduce((most, line) => Math.max(most, columnsOf(line[i]?.text ?? '')), 0),
  );
  const widths = page.width === null ? natural : fitted(columns, natural, page.width);
  return lines.map((line) => printed(line, columns, widths, page)).join('\n');
}

function cellOf<Row>(column: Column<Row>, row: Row): Cell {
  const value = column.cell(row);
  return {
    text: value === null || value === '' ? '-' : visible(String(value)),
    style: column.style?.(row) ?? null,
  };
}

/** Cuts the widest column that gives down to the next widest, again and again; when none can give more, the right edge is cut. */
function fitted<Row>(columns: readonly Column<Row>[], natural: readonly number[], total: number): number[] {
  const widths = [...natural];
  const excess = (): number => widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1)) - total;
  for (let tooMuch = excess(); tooMuch > 0; tooMuch = excess()) {
    const giving = widths
      .map((width, i) => ({ width, i }))
      .filter(({ width, i }) => columns[i]?.gives === true && width > narrowest)
      .toSorted((a, b) => b.width - a.width);
    const [widest, next] = giving;
    if (widest === undefined) break;
    const floor = Math.min(Math.max(next?.width ?? narrowest, narrowest), widest.width - 1);
    widths[widest.i] = Math.max(floor, widest.width - tooMuch);
  }
  for (let i = widths.length - 1, tooMuch = excess(); i >= 0 && tooMuch > 0; i -= 1) {
    const taken = Math.min(tooMuch, (widths[i] ?? 1) - 1);
    widths[i] = (widths[i] ?? 1) - taken;
    tooMuch -= taken;
  }
  return widths;
}

function printed<Row>(
  line: readonly Cell[],
  columns: readonly Column<Row>[],
  widths: readonly number[],
  page: Page,
): string {
  return line
    .map(({ text, style }, i) => {
      const short = cut(text, widths[i] ?? 0);
      const room = ' '.repeat(Math.max(0, (widths[i] ?? 0) - columnsOf(short)));
      const painted = page.paint(style, short);
      if (columns[i]?.align === 'right') return room + painted;
      return i === line.length - 1 ? painted : painted + room;
    })
    .join(gap);
}
