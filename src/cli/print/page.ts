// What a text is printed on: how wide it is and whether it takes colour.
import { styleText } from 'node:util';

export type Style = 'good' | 'quiet' | 'warn' | 'bad' | 'worst' | 'heading';

export interface Page {
  /** Columns of the terminal; null = no terminal, nothing is cut. */
  readonly width: number | null;
  paint(style: Style | null, text: string): string;
}

const formats = {
  good: 'green',
  quiet: 'dim',
  warn: 'yellow',
  bad: 'red',
  worst: ['bold', 'red'],
  heading: 'bold',
} as const satisfies Record<Style, Parameters<typeof styleText>[0]>;

export const plainPage: Page = { width: null, paint: (_, text) => text };

export function colouredPage(width: number | null): Page {
  return {
    width,
    paint: (style, text) =>
      style === null || text === '' ? text : styleText(formats[style], text, { validateStream: false }),
  };
}

/** https://no-color.org: colour only for a terminal that can show it and a person who wants it. */
export function wantsColour(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}
