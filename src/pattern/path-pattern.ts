// Paths as patterns: `*` is one segment (or part of one), `**` any depth below, typed tokens stand inside a segment, and `?`
// alone is an executable nobody knows, or any at all.
import { problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import { type Expression, char, literal, optional, repeated, sequence } from './automaton.ts';
import { anyChar, anyCharBut } from './char-set.ts';
import {
  type Escapes,
  type Piece,
  type Template,
  matchesTemplate,
  parsePieces,
  printPieces,
  subsumesTemplate,
  templateOf,
  textPiece,
} from './template.ts';

/** `?` = unknown or any. */
export type PathPattern = '?' | Template;

export const pathSyntax: Escapes = {
  subject: 'path',
  names: new Map([
    ['lt', '<'],
    ['star', '*'],
  ]),
  tokens: ['number', 'hex', 'hexnumber', 'version', 'uuid', 'date', 'time', 'tmp', 'random'],
};

const anyPath = '?';
/** A file whose whole name is a question mark. */
const quotedQuestion = '<question>';
const someText = repeated(char(anyChar));
const segmentText = repeated(char(anyCharBut('/')));

export function parsePath(text: string): Result<PathPattern> {
  if (text === anyPath) return ok(anyPath);
  if (text === quotedQuestion) return ok(templateOf([textPiece(anyPath)]));
  if (text === '') return fail(problem('usage', 'The path pattern is empty.', 'Write ? for any executable.'));
  const pieces: Piece[] = [];
  const segments = text.split('/');
  let start = 0;
  for (const [at, segment] of segments.entries()) {
    const isLast = at === segments.length - 1;
    const offset = start;
    start += segment.length + 1;
    if (segment === '**') {
      pieces.push(isLast ? wild('**', someText) : wild('**/', optional(sequence(someText, literal('/')))));
      continue;
    }
    const parsed = parseSegment(segment, offset);
    if (!parsed.ok) return parsed;
    pieces.push(...parsed.value, ...(isLast ? [] : [textPiece('/')]));
  }
  return ok(templateOf(pieces));
}

function wild(source: string, expression: Expression): Piece {
  return { source, expression };
}

function parseSegment(segment: string, offset: number): Result<readonly Piece[]> {
  if (segment.includes('**'))
    return fail(
      problem(
        'usage',
        `The path pattern has ** inside a segment at position ${offset + segment.indexOf('**') + 1}.`,
        'Write ** as a segment of its own, or * for a part of a segment.',
      ),
    );
  if (segment === '*') return ok([wild('*', segmentText)]);
  const parts = segment.split('*');
  const pieces: Piece[] = [];
  let start = offset;
  for (const [at, part] of parts.entries()) {
    if (at > 0) pieces.push(wild('*', optional(segmentText)));
    const parsed = parsePieces(part, pathSyntax, start);
    if (!parsed.ok) return parsed;
    pieces.push(...parsed.value);
    start += part.length + 1;
  }
  return ok(pieces);
}

export function printPath(pattern: PathPattern): string {
  if (pattern === anyPath) return anyPath;
  return pattern.literal === anyPath ? quotedQuestion : printPieces(pattern.pieces, pathSyntax);
}

/** How a literal path is written as a pattern that admits nothing else. */
export function quotePath(text: string): string {
  return text === anyPath ? quotedQuestion : text.replaceAll('<', '<lt>').replaceAll('*', '<star>');
}

/** What is not known (null) cannot differ: it matches every pattern. */
export function matchesPath(pattern: PathPattern, path: string | null): boolean {
  return pattern === anyPath || path === null || matchesTemplate(pattern, path);
}

export function subsumesPath(wide: PathPattern, narrow: PathPattern): boolean {
  if (wide === anyPath) return true;
  return narrow !== anyPath && subsumesTemplate(wide, narrow);
}
