// Bytes of a recording or of a foreign sensor as events, one JSON object a line, in bounded memory. A line that is like an earlier one
// but for time, pids and a port that was drawn is known again without being parsed, and parsed when somebody asks what it says.
import type { Result } from '../../kit/result.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { type ParsedEvent, eventOf } from './event-of.ts';
import { LineGaps, gap } from './line-gaps.ts';
import { LineMemory } from './line-memory.ts';
import { badLine, parseObject } from './read-lines.ts';
import { LineSplitter } from './split-lines.ts';
import { eventFieldsOf, isTraceLine } from './trace-line.ts';

export interface EventLine<Note = unknown> {
  /** Counted from 1; 0 when the file itself could not be read. */
  readonly line: number;
  readonly result: Result<RawEvent>;
  /** Fields that were there, could not be used and count as unknown: `ts` in another form than ISO 8601, say. */
  readonly unusable: readonly string[];
  /**
   * The same object for all lines that differ in `ts`, `pid`, `ppid` (but for 1, init) and the port that a TCP caller drew, and in
   * nothing else: what follows from the rest need be found once. Null = not seen twice yet, or not to be remembered.
   */
  readonly like: Alike<Note> | null;
}

/** Lines that are alike. `note` is for whoever reads them, who keeps there what he made of the first. */
export interface Alike<Note> {
  note: Note | null;
}

export class EventDecoder<Note> {
  /** How the source is called in problems: its path. */
  readonly #name: string;
  readonly #splitter = new LineSplitter();
  readonly #gaps = new LineGaps();
  readonly #memory: LineMemory<Alike<Note>>;
  #line = 0;

  constructor(name: string, memory: LineMemory<Alike<Note>> = new LineMemory()) {
    this.#name = name;
    this.#memory = memory;
  }

  /** Lines begun so far. */
  get line(): number {
    return this.#line;
  }

  /** Lines that were remembered and had to make way for others. */
  get forgotten(): number {
    return this.#memory.forgotten;
  }

  /** The lines that end in these bytes. */
  decode(bytes: Uint8Array): Generator<EventLine<Note>> {
    return this.#linesOf(this.#splitter.push(bytes));
  }

  /** The last line, when it has no end of its own. */
  end(): Generator<EventLine<Note>> {
    return this.#linesOf(this.#splitter.end());
  }

  *#linesOf(blocks: Iterable<Uint8Array | null>): Generator<EventLine<Note>> {
    for (const block of blocks) {
      if (block === null) {
        this.#line += 1;
        const parsed = parsedLine(null, `${this.#name}:${this.#line}`);
        if (parsed !== null) yield { line: this.#line, like: null, ...parsed };
        continue;
      }
      const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
      // One character a byte, so that places in the text are places in the bytes.
      const text = bytes.toString('latin1');
      this.#gaps.begin(text);
      for (let start = 0; start < text.length;) {
        const newline = text.indexOf('\n', start);
        const end = newline === -1 ? text.length : newline;
        this.#line += 1;
        const line = this.#decodeLine(bytes, text, start, end);
        if (line !== null) yield line;
        start = end + 1;
      }
    }
  }

  #decodeLine(bytes: Buffer, text: string, start: number, end: number): EventLine<Note> | null {
    this.#gaps.find(end);
    const like = this.#memory.recall(bytes, start, end, this.#gaps);
    if (like !== null) return new RecalledLine(this.#line, like, text.slice(start, end), this.#name);
    const line = text.slice(start, end);
    const parsed = parsedLine(utf8(line), `${this.#name}:${this.#line}`);
    if (parsed === null) return null;
    const known = this.#memory.mark() && this.#holds(line, start, parsed) ? { note: null } : null;
    if (known !== null) this.#memory.remember(known);
    return { line: this.#line, like: known, ...parsed };
  }

  /** Tries with other values in the gaps which fields hang on them, since only the parser knows what a line says. */
  #holds(line: string, start: number, { result, unusable }: ParsedEvent): boolean {
    if (!result.ok || unusable.length > 0 || result.value.kind === 'loss') return false;
    const tried = parsedLine(utf8(withOtherValues(line, start, this.#gaps)), this.#name);
    if (tried === null || !tried.result.ok || tried.unusable.length > 0) return false;
    return isSameBut(undecisive(result.value), result.value, tried.result.value);
  }
}

/** A TCP caller's own port says nothing. Whoever calls by UDP is told by both ports, and a listener by its own. */
function undecisive({ kind, proto }: RawEvent): readonly (keyof RawEvent)[] {
  const always = ['ts', 'pid', 'ppid'] as const;
  if (proto !== 'tcp') return always;
  if (kind === 'net_connect') return [...always, 'localPort'];
  return kind === 'net_accept' ? [...always, 'remotePort'] : always;
}

/** The line with other digits in its gaps, each still what it was. */
function withOtherValues(line: string, start: number, { count, kinds, starts, ends }: LineGaps): string {
  let other = '';
  let at = 0;
  for (let each = 0; each < count; each += 1) {
    const from = (starts[each] ?? 0) - start;
    const to = (ends[each] ?? 0) - start;
    const value = line.slice(from, to);
    other += line.slice(at, from) + (kinds[each] === gap.time ? value.replace(/\d/g, nextDigit) : otherNumber(value));
    at = to;
  }
  return other + line.slice(at);
}

function nextDigit(digit: string): string {
  return String((Number(digit) + 1) % 10);
}

/** Also a drawn port stays one. */
function otherNumber(value: string): string {
  return value === '40000' ? '40001' : '40000';
}

function isSameBut(fields: readonly (keyof RawEvent)[], a: RawEvent, b: RawEvent): boolean {
  const without = Object.fromEntries(fields.map((field) => [field, null]));
  return JSON.stringify({ ...a, ...without }) === JSON.stringify({ ...b, ...without });
}

/** Null = the line says nothing. `text` null = it was too long to be kept. */
function parsedLine(text: string | null, place: string): ParsedEvent | null {
  if (text !== null && text.trim() === '') return null;
  const parsed = parseObject(text, place);
  if (!parsed.ok) return { result: parsed, unusable: [] };
  const fields = isTraceLine(parsed.value) ? eventFieldsOf(parsed.value) : parsed.value;
  return fields === null ? null : eventOf(fields, place);
}

function utf8(line: string): string {
  return Buffer.from(line, 'latin1').toString('utf8');
}

/** Parsed when it is asked for. */
class RecalledLine<Note> implements EventLine<Note> {
  readonly line: number;
  readonly like: Alike<Note>;
  readonly unusable: readonly string[] = [];
  readonly #text: string;
  readonly #name: string;
  #parsed: Result<RawEvent> | null = null;

  constructor(line: number, like: Alike<Note>, text: string, name: string) {
    this.line = line;
    this.like = like;
    this.#text = text;
    this.#name = name;
  }

  get result(): Result<RawEvent> {
    const place = `${this.#name}:${this.line}`;
    this.#parsed ??= parsedLine(utf8(this.#text), place)?.result ?? badLine(place, 'says nothing', undefined);
    return this.#parsed;
  }
}
