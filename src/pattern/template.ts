// A text with holes: literal parts and typed parts, matched as a whole. Arguments and paths are both templates; their syntaxes
// (argv-pattern.ts, path-pattern.ts) decide which parts may stand where.
import { type Problem, problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import { type Automaton, type Expression, accepts, automatonOf, includes, literal, sequence } from './automaton.ts';
import { type TokenName, isTokenName, tokens } from './token.ts';

/** `expression` null = the text stands for itself; otherwise `source` is how the part is written. */
export interface Piece {
  readonly source: string;
  readonly expression: Expression | null;
}

export interface Template {
  readonly pieces: readonly Piece[];
  /** The only text it admits, when it has no typed part. */
  readonly literal: string | null;
  /** Literal text every admitted text begins and ends with. */
  readonly prefix: string;
  readonly suffix: string;
  /** Language of what lies between prefix and suffix; built when first needed, because most templates never are. */
  readonly middle: () => Automaton;
}

/** Longer texts are kept as they are: a pattern is compiled to states, and their number must stay small. */
export const templateLengthMax = 8192;
const typedPiecesMax = 64;

export function textPiece(text: string): Piece {
  return { source: text, expression: null };
}

export function tokenPiece(name: TokenName): Piece {
  return { source: `<${name}>`, expression: tokens[name] };
}

export function templateOf(parts: readonly Piece[]): Template {
  const pieces = mergeTexts(parts);
  if (pieces.every((piece) => piece.expression === null)) {
    const text = pieces.map((piece) => piece.source).join('');
    return { pieces, literal: text, prefix: text, suffix: '', middle: () => automatonOf(literal('')) };
  }
  const [head] = pieces;
  const tail = pieces.at(-1);
  const prefix = head?.expression === null ? head.source : '';
  const suffix = tail?.expression === null ? tail.source : '';
  const inner = pieces.slice(prefix === '' ? 0 : 1, suffix === '' ? undefined : -1);
  let built: Automaton | null = null;
  const middle = (): Automaton => (built ??= automatonOf(expressionOf(inner)));
  return { pieces, literal: null, prefix, suffix, middle };
}

function mergeTexts(parts: readonly Piece[]): readonly Piece[] {
  const merged: Piece[] = [];
  for (const part of parts) {
    const before = merged.at(-1);
    if (part.expression === null && before?.expression === null) {
      merged[merged.length - 1] = textPiece(before.source + part.source);
    } else if (part.expression !== null || part.source !== '') merged.push(part);
  }
  return merged;
}

function expressionOf(pieces: readonly Piece[]): Expression {
  return sequence(...pieces.map((piece) => piece.expression ?? literal(piece.source)));
}

export function matchesTemplate(template: Template, text: string): boolean {
  if (template.literal !== null) return template.literal === text;
  const { prefix, suffix } = template;
  if (text.length < prefix.length + suffix.length) return false;
  if (!text.startsWith(prefix) || !text.endsWith(suffix)) return false;
  return accepts(template.middle(), text.slice(prefix.length, text.length - suffix.length));
}

/** Whether `wide` admits every text `narrow` admits. False where it cannot be shown within the limits. */
export function subsumesTemplate(wide: Template, narrow: Template): boolean {
  if (narrow.literal !== null) return matchesTemplate(wide, narrow.literal);
  if (wide.literal !== null) return false;
  return includes(automatonOf(expressionOf(wide.pieces)), automatonOf(expressionOf(narrow.pieces)));
}

/** How one syntax writes the characters that mean something in it. */
export interface Escapes {
  /** What is being parsed, for the message: "argument", "path". */
  readonly subject: string;
  /** Escape name -> the character it stands for. */
  readonly names: ReadonlyMap<string, string>;
  readonly tokens: readonly TokenName[];
}

/**
 * Splits a pattern text at its `<...>`: texts stand for themselves, tokens and escapes are resolved. `offset` is where the text
 * begins in what its author wrote, for the position in a problem.
 */
export function parsePieces(text: string, escapes: Escapes, offset = 0): Result<readonly Piece[]> {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('<', at);
    if (open !== at) pieces.push(textPiece(text.slice(at, open === -1 ? undefined : open)));
    if (open === -1) break;
    const close = text.indexOf('>', open);
    const name = close === -1 ? '' : text.slice(open + 1, close);
    const escaped = escapes.names.get(name);
    if (escaped !== undefined) pieces.push({ source: escaped, expression: null });
    else if (isTokenName(name) && escapes.tokens.includes(name)) pieces.push(tokenPiece(name));
    else return fail(badToken(text, open, close, escapes, offset));
    at = close + 1;
  }
  return checkSize(text, pieces, escapes.subject);
}

function checkSize(text: string, pieces: readonly Piece[], subject: string): Result<readonly Piece[]> {
  const typed = pieces.filter((piece) => piece.expression !== null).length;
  if (typed > typedPiecesMax)
    return fail(problem('usage', `The ${subject} pattern has ${typed} tokens, more than ${typedPiecesMax}.`));
  if (typed > 0 && text.length > templateLengthMax)
    return fail(problem('usage', `The ${subject} pattern is longer than ${templateLengthMax} characters.`));
  return ok(pieces);
}

function badToken(text: string, open: number, close: number, escapes: Escapes, offset: number): Problem {
  const written = close === -1 || close - open > 40 ? text.slice(open, open + 12) : text.slice(open, close + 1);
  const known = [...escapes.tokens, ...escapes.names.keys()].map((name) => `<${name}>`).join(' ');
  return problem(
    'usage',
    `The ${escapes.subject} pattern has no meaning for ${written} at position ${offset + open + 1}.`,
    `Known are ${known}; a plain < is written <lt>.`,
  );
}

export function printPieces(pieces: readonly Piece[], escapes: Escapes): string {
  const names = new Map([...escapes.names].map(([name, character]) => [character, `<${name}>`]));
  const escape = (text: string): string => Array.from(text, (unit) => names.get(unit) ?? unit).join('');
  return pieces.map((piece) => (piece.expression === null ? escape(piece.source) : piece.source)).join('');
}
