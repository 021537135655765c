// Argument vectors as patterns: one template for each argument, and `<rest>` at the end for any number more.
import { problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import {
  type Escapes,
  type Template,
  matchesTemplate,
  parsePieces,
  printPieces,
  subsumesTemplate,
  templateOf,
} from './template.ts';

export interface ArgvPattern {
  readonly templates: readonly Template[];
  /** Any number of arguments more, of any text. */
  readonly rest: boolean;
}

export const argumentSyntax: Escapes = {
  subject: 'argument',
  names: new Map([['lt', '<']]),
  tokens: ['number', 'hex', 'hexnumber', 'version', 'uuid', 'date', 'time', 'tmp', 'random', 'any'],
};

export const restToken = '<rest>';

export function parseArgument(text: string): Result<Template> {
  const pieces = parsePieces(text, argumentSyntax);
  return pieces.ok ? ok(templateOf(pieces.value)) : pieces;
}

export function printArgument(template: Template): string {
  return printPieces(template.pieces, argumentSyntax);
}

/** How a literal argument is written as a pattern that admits nothing else. */
export function quoteArgument(text: string): string {
  return text.replaceAll('<', '<lt>');
}

export function parseArgv(texts: readonly string[]): Result<ArgvPattern> {
  const templates: Template[] = [];
  for (const [at, text] of texts.entries()) {
    if (text === restToken && at === texts.length - 1) return ok({ templates, rest: true });
    if (text === restToken)
      return fail(problem('usage', `argv[${at}] is ${restToken}, which may only come last.`, 'Move it to the end.'));
    const template = parseArgument(text);
    if (!template.ok) return fail({ ...template.error, message: `argv[${at}]: ${template.error.message}` });
    templates.push(template.value);
  }
  return ok({ templates, rest: false });
}

export function printArgv(pattern: ArgvPattern): readonly string[] {
  return [...pattern.templates.map(printArgument), ...(pattern.rest ? [restToken] : [])];
}

export function matchesArgv(pattern: ArgvPattern, argv: readonly string[]): boolean {
  const { templates, rest } = pattern;
  if (rest ? argv.length < templates.length : argv.length !== templates.length) return false;
  return templates.every((template, at) => matchesTemplate(template, argv[at] ?? ''));
}

export function subsumesArgv(wide: ArgvPattern, narrow: ArgvPattern): boolean {
  if (!wide.rest && (narrow.rest || narrow.templates.length !== wide.templates.length)) return false;
  if (narrow.templates.length < wide.templates.length) return false;
  return wide.templates.every((template, at) => {
    const other = narrow.templates[at];
    return other !== undefined && subsumesTemplate(template, other);
  });
}
