// The typed tokens of the language and the texts each admits. A token stands for something that changes from one run to the
// next and whose value says nothing about what is being done.
import { type Expression, char, choice, literal, optional, repeated, sequence, times } from './automaton.ts';
import { anyChar, charSet } from './char-set.ts';

const digit = char(charSet('0-9'));
const hexDigit = char(charSet('0-9a-fA-F'));
const tens = (spec: string): Expression => sequence(char(charSet(spec)), digit);

const year = sequence(choice(literal('19'), literal('20')), digit, digit);
const month = tens('0-1');
const day = tens('0-3');
const zone = choice(literal('Z'), sequence(char(charSet('+-')), digit, digit, optional(literal(':')), digit, digit));
const clockTime = sequence(
  tens('0-2'),
  literal(':'),
  tens('0-5'),
  optional(sequence(literal(':'), tens('0-6'), optional(sequence(char(charSet('.,')), repeated(digit))))),
);
const compactTime = sequence(tens('0-2'), tens('0-5'), optional(tens('0-6')));
const random = times(char(charSet('A-Za-z0-9_')), 6, 16);

/** What each token admits. Every language here is free of `/`, `any` excepted. */
export const tokens = {
  /** Decimal digits: a pid, a count, a port in an argument. */
  number: repeated(digit),
  /** Eight or more hexadecimal digits: a digest, a container id, an address in memory. */
  hex: sequence(times(hexDigit, 7, 7), repeated(hexDigit)),
  /** RFC 9562, either case. */
  uuid: sequence(
    times(hexDigit, 8, 8),
    ...[4, 4, 4, 12].map((length) => sequence(literal('-'), times(hexDigit, length, length))),
  ),
  /** ISO 8601 calendar date, with or without dashes, with or without a time behind it. */
  date: sequence(
    choice(sequence(year, literal('-'), month, literal('-'), day), sequence(year, month, day)),
    optional(sequence(char(charSet('T_ -')), choice(clockTime, compactTime), optional(zone))),
  ),
  /** 19:37, 19:37:35, 19:37:35.728. */
  time: clockTime,
  /** 0x and hexadecimal digits: a handle, a flag word, an address. */
  hexnumber: sequence(literal('0x'), repeated(hexDigit)),
  /** Three numbers or more with dots between: a release of a program that is installed beside the one before. */
  version: sequence(repeated(digit), literal('.'), repeated(digit), repeated(sequence(literal('.'), repeated(digit)))),
  /** A whole name as mktemp(1) and Python's tempfile make it: `tmp.5uCgKO6S70`, `tmp8x1k_2aq`. */
  tmp: sequence(literal('tmp'), optional(char(charSet('._-'))), random),
  /** The random end of a temporary name whose beginning says what it is for: `apt-key.<random>`. */
  random,
  /** Any text at all, also none. Only a person writes it. */
  any: optional(repeated(char(anyChar))),
} as const satisfies Record<string, Expression>;

export type TokenName = keyof typeof tokens;

export function isTokenName(name: string): name is TokenName {
  return Object.hasOwn(tokens, name);
}
