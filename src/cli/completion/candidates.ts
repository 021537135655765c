// What could stand where the cursor is: read from the same tree of commands that parses, so that it cannot offer what would be
// refused. Names of things are left to the caller, who knows whom to ask.
import type { Command, Option } from 'commander';

export interface Candidate {
  readonly value: string;
  readonly says?: string;
}

/** Either fixed candidates, or the kind of thing whose names are wanted: `vm`, `scope`, `alarm` ... */
export type Expected =
  | { readonly kind: 'candidates'; readonly candidates: readonly Candidate[] }
  /** `also` = verbs that may stand there too. */
  | { readonly kind: 'name'; readonly of: string; readonly also?: readonly Candidate[] };

const nothing: Expected = { kind: 'candidates', candidates: [] };

/** `words` as typed after the program's name; the last one is what the cursor stands at and may be empty. */
export function expectedAt(program: Command, words: readonly string[]): Expected {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const place = walk(program, before);
  if (place.open !== null) return valuesOf(place.open.argChoices, place.open.flags);
  if (current.startsWith('-') && !place.onlyArguments) return candidates(optionsOf(place.command, before));
  if (place.isLost) return nothing;
  const isOnlyGroup = place.command.registeredArguments.length === 0;
  if (place.command.commands.length > 0 && isOnlyGroup) return candidates(verbsOf(place.command, place.isHelp));
  if (place.isHelp) return nothing;
  const { registeredArguments } = place.command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[place.taken] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return nothing;
  const expected = valuesOf(argument.argChoices, `<${argument.name()}>`);
  const isVerbToo = place.command.commands.length > 0 && place.taken === 0 && expected.kind === 'name';
  return isVerbToo ? { ...expected, also: verbsOf(place.command, place.isHelp) } : expected;
}

interface Place {
  readonly command: Command;
  /** Arguments given before the cursor. */
  readonly taken: number;
  /** The option that waits for its value. */
  readonly open: Option | null;
  readonly onlyArguments: boolean;
  readonly isHelp: boolean;
  /** A word stands where only a verb may, and is none. */
  readonly isLost: boolean;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let taken = 0;
  let open: Option | null = null;
  let onlyArguments = false;
  let isHelp = false;
  let isLost = false;
  for (const word of words) {
    if (open !== null) open = null;
    else if (!onlyArguments && word === '--') onlyArguments = true;
    else if (!onlyArguments && word.startsWith('-')) {
      const option = command.options.find((option) => option.long === word || option.short === word);
      open = option?.required === true ? option : null;
    } else if (command === program && word === 'help') isHelp = true;
    else {
      const child = command.commands.find((child) => child.name() === word);
      if (child !== undefined) command = child;
      else if (command.commands.length > 0 && command.registeredArguments.length === 0) isLost = true;
      else taken += 1;
    }
  }
  return { command, taken, open, onlyArguments, isHelp, isLost };
}

function verbsOf(command: Command, isHelp: boolean): Candidate[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible
    .filter((child) => !isHelp || child.name() !== 'help')
    .map((child) => ({ value: child.name(), says: child.summary() || child.description() }));
}

function optionsOf(command: Command, given: readonly string[]): Candidate[] {
  const takesMore = (option: Option): boolean => option.parseArg !== undefined && option.argChoices === undefined;
  return command.options
    .filter((option) => option.long !== undefined && (takesMore(option) || !given.includes(option.long)))
    .map((option) => ({ value: option.long ?? '', says: option.description }));
}

function valuesOf(choices: readonly string[] | undefined, flags: string): Expected {
  if (choices !== undefined) return candidates(choices.map((value) => ({ value })));
  const name = /[<[]([^>\]]+?)(?:\.\.\.)?[>\]]/.exec(flags)?.[1];
  return name === undefined ? nothing : { kind: 'name', of: name };
}

function candidates(candidates: readonly Candidate[]): Expected {
  return { kind: 'candidates', candidates };
}
