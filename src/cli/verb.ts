// What a verb of the command line is: the words that call it, and what it does with them. Verbs are values; `grammar.ts` makes
// the parser, the help and the completion of them.
import { ok, type Result } from '../kit/result.ts';
import type { Page } from './print/page.ts';
import type { Run } from './run.ts';

/** Shown together in the help, in this order. */
export const verbGroups = ['Run', 'See', 'Describe', 'Learn', 'Judge', 'Answer', 'Shell'] as const;
export type VerbGroup = (typeof verbGroups)[number];

export interface VerbOption {
  /** `-f, --file <file>` in commander's notation. What stands in the brackets tells completion what to offer. */
  readonly flags: string;
  readonly says: string;
  readonly choices?: readonly string[];
  readonly required?: true;
  /** May be given several times. */
  readonly repeats?: true;
}

export interface Verb {
  /** `scope create <scope>`: the words that call it, then its arguments in commander's notation. */
  readonly words: string;
  readonly says: string;
  /** Needed once for verbs that share their first word. */
  readonly group: VerbGroup;
  /** Allowed values of an argument, by its name. */
  readonly choices?: Readonly<Record<string, readonly string[]>>;
  readonly options?: readonly VerbOption[];
  readonly hidden?: true;
  /** Ends by itself, and in order, when it is asked to stop; every other verb is left where it stands. */
  readonly stops?: true;
  /** Null = everything has been said already. */
  run(run: Run, words: Words): Promise<Result<Answer | null>>;
}

export interface Answer {
  /** What `--json` prints. */
  readonly value: unknown;
  /** The same for a person, without a line break at the end; empty = nothing needs saying. */
  readonly text: (page: Page) => string;
  /** The verb was asked whether something is wrong, and it is: exit code 1. */
  readonly found?: boolean;
}

/** The arguments and options of one call by name, as the parser checked them. */
export interface Words {
  /** A required argument or option. */
  text(name: string): string;
  maybe(name: string): string | undefined;
  list(name: string): readonly string[];
  flag(name: string): boolean;
  /** Undefined when it was left out; the parser has refused everything else. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined;
}

/** The answer made of a value that was got, or why there is none. */
export function answer<T>(got: Result<T>, text: (value: T, page: Page) => string): Result<Answer> {
  return got.ok ? ok({ value: got.value, text: (page) => text(got.value, page) }) : got;
}
