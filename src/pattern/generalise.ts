// A text seen once, as the narrowest pattern that also admits its repetition: what a run makes up (pids, ids, dates, temporary
// names) becomes a typed token, every other character stays. The result always admits the text it came from.
import { quoteArgument } from './argv-pattern.ts';
import { quotePath } from './path-pattern.ts';
import { argumentRoles } from './program.ts';
import { templateLengthMax } from './template.ts';
import type { TokenName } from './token.ts';

interface Place {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Behind the name of a directory that everybody may write to. */
  readonly temporary: boolean;
}

interface Rule {
  readonly token: TokenName;
  /** Sticky: tried where a word begins. Must stay within the token's language. */
  readonly shape: RegExp;
  readonly holds?: (found: string, place: Place) => boolean;
}

const wordEnd = '(?![A-Za-z0-9])';
const clockShape = '[0-2]\\d:[0-5]\\d(?::[0-6]\\d(?:[.,]\\d+)?)?';
const dateShape = '(?:19|20)\\d\\d(?:-[01]\\d-[0-3]\\d|[01]\\d[0-3]\\d)';
const zoneShape = '(?:Z|[+-]\\d\\d:?\\d\\d)';

const tmp: Rule = {
  token: 'tmp',
  shape: /tmp(?:[._-][A-Za-z0-9]{6,12}|[a-z0-9_]{8})(?![A-Za-z0-9_])/y,
  holds: (found) => looksRandom(found.slice(3).replace(/^[._-]/, '')),
};
const random: Rule = {
  token: 'random',
  shape: new RegExp(`[A-Za-z0-9]{6,12}${wordEnd}`, 'y'),
  holds: (found, place) =>
    /[.-]/.test(place.text[place.start - 1] ?? '') && (place.temporary ? looksRandom(found) : isRandom(found)),
};
const uuid: Rule = {
  token: 'uuid',
  shape: new RegExp(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}${wordEnd}`, 'y'),
};
const date: Rule = {
  token: 'date',
  shape: new RegExp(
    `${dateShape}(?:[T_ -](?:${clockShape}|[0-2]\\d[0-5]\\d(?:[0-6]\\d)?)(?:${zoneShape})?)?${wordEnd}`,
    'y',
  ),
  holds: (_, place) => !isDotted(place),
};
const time: Rule = {
  token: 'time',
  shape: new RegExp(`${clockShape}(?![A-Za-z0-9:])`, 'y'),
  holds: (_, place) => !/[:.]/.test(place.text[place.start - 1] ?? ''),
};
const hex: Rule = {
  token: 'hex',
  shape: new RegExp(`(?:[0-9a-f]{8,}|[0-9A-F]{8,})${wordEnd}`, 'y'),
  // All letters is a word, all digits a number.
  holds: (found) => /[0-9]/.test(found) && /[a-fA-F]/.test(found),
};
const number: Rule = {
  token: 'number',
  shape: new RegExp(`\\d+${wordEnd}`, 'y'),
  holds: (found, place) => !isDotted(place) && !isOptionLetter(place) && (found.length >= 3 || standsAlone(place)),
};
const procNumber: Rule = {
  token: 'number',
  shape: new RegExp(`\\d+${wordEnd}`, 'y'),
  holds: (_, place) => place.text.startsWith('/proc/') && standsAlone(place),
};

const hexnumber: Rule = { token: 'hexnumber', shape: new RegExp(`0x[0-9a-fA-F]+${wordEnd}`, 'y') };
/**
 * A directory that is named for a release: its neighbour is the next one. Whoever may make that neighbour could have replaced the
 * program, so that the release says nothing of who runs it. The file's own name stays.
 */
const version: Rule = {
  token: 'version',
  shape: /\d+\.\d+(?:\.\d+)+(?![A-Za-z0-9.])/y,
  holds: (_, place) => place.text[place.start - 1] !== '.' && isInDirectory(place),
};
/** The end of a version that shows it to be one. */
const versionEndMax = 24;
const releaseDate: Rule = {
  token: 'date',
  shape: new RegExp(`${dateShape}(?:[T_ -][0-2]\\d[0-5]\\d(?:[0-6]\\d)?)?${wordEnd}`, 'y'),
  holds: (_, place) =>
    /\d\.\d+\.\d+[._-]$/.test(place.text.slice(Math.max(0, place.start - versionEndMax), place.start)) &&
    isInDirectory(place),
};

/** What nobody chooses. */
const randomRules = [tmp, random, uuid];
const argumentRules = [tmp, random, uuid, date, time, hexnumber, hex, number];
/** Any other number in an executable's path is part of what it is. */
const pathRules = [tmp, random, uuid, version, releaseDate, hex, procNumber];

/** Fewer than a template may hold, so that the result always parses. */
const tokensMax = 60;
const temporaryDirectory = /\/tmp\/|\/dev\/shm\/|\/run\/user\//;

export function generaliseArgument(text: string): string {
  return generalise(text, argumentRules, quoteArgument);
}

export function generalisePath(path: string): string {
  return generalise(path, pathRules, quotePath);
}

/** Arguments that carry code stay as they are: there the text is the identity. */
export function generaliseArgv(exe: string | null, argv: readonly string[]): string[] {
  const roles = argumentRoles(exe, argv);
  return argv.map((arg, at) => {
    const role = roles[at];
    if (role === 'code') return quoteArgument(arg);
    return generalise(arg, role === 'values' ? randomRules : argumentRules, quoteArgument);
  });
}

function generalise(text: string, rules: readonly Rule[], quote: (text: string) => string): string {
  if (text.length > templateLengthMax || !/[0-9A-Z]/.test(text)) return quote(text);
  const temporaryFrom = text.search(temporaryDirectory);
  const hosts = hostsIn(text);
  let pattern = '';
  let literalFrom = 0;
  let tokens = 0;
  let at = 0;
  while (at < text.length && tokens < tokensMax) {
    const host = hosts.find(({ start, end }) => at >= start && at < end);
    if (host !== undefined) {
      at = host.end;
      continue;
    }
    const found = mayBeToken(text, at) ? findToken(text, at, rules, temporaryFrom !== -1 && at > temporaryFrom) : null;
    if (found !== null) {
      pattern += `${quotePart(text.slice(literalFrom, at), quote)}<${found.token}>`;
      tokens += 1;
      at = found.end;
      literalFrom = at;
    } else at = nextWord(text, at);
  }
  if (tokens === 0) return quote(text);
  pattern += quotePart(text.slice(literalFrom), quote);
  return pattern.length > templateLengthMax ? quote(text) : pattern;
}

/** Who is asked, in a URL: a name such as `4f2a9c01.example` must not stand for every name of that shape. */
function hostsIn(text: string): readonly { readonly start: number; readonly end: number }[] {
  const found = text.includes('://') ? text.matchAll(/:\/\/[^/?#\s]*/g) : [];
  return Array.from(found, (match) => ({ start: match.index + 3, end: match.index + match[0].length }));
}

/** A part is never the whole, so the quoting that a whole text may need does not apply to it. */
function quotePart(text: string, quote: (text: string) => string): string {
  return text === '?' ? text : quote(text);
}

function findToken(
  text: string,
  start: number,
  rules: readonly Rule[],
  temporary: boolean,
): { readonly token: TokenName; readonly end: number } | null {
  for (const { token, shape, holds } of rules) {
    shape.lastIndex = start;
    const found = shape.exec(text)?.[0];
    if (found === undefined) continue;
    const end = start + found.length;
    if (holds === undefined || holds(found, { text, start, end, temporary })) return { token, end };
  }
  return null;
}

const word = /[A-Za-z0-9]*[^A-Za-z0-9]*/y;

const tokenStart = /[A-Za-z]*[0-9A-Z]|tmp[._-]|[a-f]{8}-/y;

/** Most words are plain ones, which no rule need look at. */
function mayBeToken(text: string, at: number): boolean {
  tokenStart.lastIndex = at;
  return tokenStart.test(text);
}

/** Where the next word begins; tokens begin nowhere else. */
function nextWord(text: string, at: number): number {
  word.lastIndex = at;
  return at + Math.max(1, word.exec(text)?.[0].length ?? 1);
}

/** Part of a version, an address, a port behind a colon or a prefix length: digits that name something. */
function isDotted({ text, start, end }: Place): boolean {
  const before = text.slice(Math.max(0, start - 5), start);
  return /(?:\d[._]|:|\.\d{1,3}\/)$/.test(before) || /^\.\d/.test(text.slice(end, end + 2));
}

/** Below the root, and with the file's name still to come. */
function isInDirectory({ text, start, end }: Place): boolean {
  const before = Math.max(text.lastIndexOf('/', start), text.lastIndexOf('\\', start));
  return before !== -1 && (text.includes('/', end) || text.includes('\\', end));
}

/** `-9`, `-0`. */
function isOptionLetter({ text, start }: Place): boolean {
  return start === 1 && text.startsWith('-');
}

function standsAlone({ text, start, end }: Place): boolean {
  return (
    (start === 0 || /[/=,@?&\s(]/.test(text[start - 1] ?? '')) &&
    (end === text.length || /[/,@?&\s)]/.test(text[end] ?? ''))
  );
}

/** Letters with digits, or capitals in the middle: nobody names a file so. */
function looksRandom(name: string): boolean {
  if (/[0-9]/.test(name)) return /[A-Za-z]/.test(name);
  return /[a-z]/.test(name) && /.[A-Z]/.test(name);
}

/** Changes between small, capital and digit so often that it was drawn, wherever it lies. */
function isRandom(name: string): boolean {
  const kinds = name
    .replace(/[a-z]+/g, 'a')
    .replace(/[A-Z]+/g, 'A')
    .replace(/[0-9]+/g, '0');
  return kinds.length >= 5 && /a/.test(kinds) && /A/.test(kinds);
}
