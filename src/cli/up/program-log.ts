// The log of the programs `up` runs: JSON lines for whoever collects logs, one short line for a person at a terminal. Messages
// are static; what a guest may have written stands beside them and is made safe.
import { pino } from 'pino';
import type { Log, LogFields } from '../../kit/log.ts';
import type { Page, Style } from '../print/page.ts';
import { visible } from '../print/visible.ts';
import type { Output } from '../shell.ts';

/** `page` null = JSON lines. */
export function programLog(program: string, output: Output, page: Page | null): Log {
  const destination = { write: (line: string) => output.write(page === null ? line : forPeople(line, page)) };
  const logger = pino({ base: { program }, timestamp: pino.stdTimeFunctions.isoTime, level: 'info' }, destination);
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}) =>
      logger[level](fields, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

const levels: Readonly<Record<number, readonly [string, Style | null]>> = {
  20: ['debug', 'quiet'],
  30: ['info', null],
  40: ['warn', 'warn'],
  50: ['error', 'bad'],
};

function forPeople(line: string, page: Page): string {
  const { level, time, program, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const [name, style] = levels[Number(level)] ?? ['info', null];
  const clock = String(time).slice(11, 19);
  const beside = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const text = visible([`${String(program)}: ${String(msg)}`, ...beside].join(' '));
  return `${page.paint('quiet', clock)} ${page.paint(style, name.padEnd(5))} ${text}\n`;
}
