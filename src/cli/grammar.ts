// Makes a parser of the table of verbs, with commander doing the reading, the help and the nearest-word suggestions.
import { Argument, Command, CommanderError, Option } from 'commander';
import { problem, type Problem } from '../kit/problem.ts';
import { verbGroups, type Verb, type VerbOption, type Words } from './verb.ts';
import { version } from './version.ts';

export type Parsed =
  | { readonly kind: 'call'; readonly verb: Verb; readonly words: Words }
  /** `asked` = the user wanted the help; otherwise the words led nowhere and this is what would have. */
  | { readonly kind: 'help'; readonly text: string; readonly asked: boolean }
  | { readonly kind: 'problem'; readonly problem: Problem };

/** Understood by every verb, and before it. */
const everywhere: readonly VerbOption[] = [
  { flags: '--json', says: 'answer in JSON' },
  { flags: '--state <dir>', says: 'state directory (else PLUMBLINE_STATE, else the usual place)' },
];

export function parse(argv: readonly string[], verbs: readonly Verb[]): Parsed {
  let call: Parsed | null = null;
  const said = { out: '', err: '' };
  const program = programOf(verbs, (verb, words) => {
    call = { kind: 'call', verb, words };
  });
  quieten(program, said);
  try {
    program.parse([...argv], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (said.out !== '') return { kind: 'help', text: said.out, asked: true };
    if (thrown.code === 'commander.help') return { kind: 'help', text: said.err, asked: false };
    return { kind: 'problem', problem: usageProblem(thrown, argv) };
  }
  return call ?? { kind: 'help', text: program.helpInformation(), asked: false };
}

/** The tree of commands, for parsing and for completion alike. */
export function programOf(verbs: readonly Verb[], onCall: (verb: Verb, words: Words) => void): Command {
  const program = new Command('plumbline')
    .description('Learns what each virtual machine is for, from outside the guest, and answers whatever deviates.')
    .version(version, '-V, --version', 'say the version')
    .helpCommand('help [verb]', 'explain a verb')
    .helpOption('-h, --help', 'explain')
    .enablePositionalOptions()
    .configureHelp({
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(termOf)].join(' '),
    })
    .addHelpText(
      'after',
      '\nEvery verb takes --json. Exit codes: 0 done, 1 found or failed, 2 usage, 3 not found, 4 unreadable, 5 refused, 130 interrupted.\n',
    );
  for (const option of everywhere) program.addOption(optionOf(option));
  for (const group of verbGroups)
    for (const verb of verbs.filter((verb) => verb.group === group)) addVerb(program, verb, onCall);
  // A verb that is also the first word of others says what it does itself.
  for (const command of program.commands.filter((command) => command.commands.length > 0 && command.summary() === ''))
    command.description(command.commands.map((child) => child.name()).join(', '));
  return program;
}

function termOf(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function addVerb(program: Command, verb: Verb, onCall: (verb: Verb, words: Words) => void): void {
  const words = verb.words.split(' ');
  const names = words.filter((word) => !/^[<[]/.test(word));
  const parent = names.length > 1 ? groupCommand(program, names[0] ?? '', verb) : program;
  const command = parent.command(names.at(-1) ?? '', { hidden: verb.hidden === true });
  command.summary(verb.says).description(`${verb.says}.`).helpOption('-h, --help', 'explain');
  command.allowExcessArguments(false);
  if (parent === program) command.helpGroup(`${verb.group}:`);
  for (const word of words.filter((word) => /^[<[]/.test(word))) {
    const argument = new Argument(word);
    const choices = verb.choices?.[argument.name()];
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const option of [...(verb.options ?? []), ...everywhere]) command.addOption(optionOf(option));
  command.action(() => onCall(verb, wordsOf(program, command)));
}

/** `scope` of `scope create`: made when its first verb comes. */
function groupCommand(program: Command, name: string, verb: Verb): Command {
  const existing = program.commands.find((command) => command.name() === name);
  if (existing !== undefined) return existing;
  return program.command(name).helpGroup(`${verb.group}:`).helpOption('-h, --help', 'explain').helpCommand(false);
}

function optionOf({ flags, says, choices, required, repeats }: VerbOption): Option {
  const option = new Option(flags, says);
  if (choices !== undefined) option.choices(choices);
  if (required === true) option.makeOptionMandatory();
  if (repeats === true) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  return option;
}

function wordsOf(program: Command, command: Command): Words {
  const values = new Map<string, unknown>(Object.entries({ ...program.opts(), ...command.opts() }));
  command.registeredArguments.forEach((argument, i) => values.set(argument.name(), command.processedArgs[i]));
  const maybe = (name: string): string | undefined => {
    const value = values.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return {
    maybe,
    text: (name) => {
      const value = maybe(name);
      if (value === undefined) throw new RangeError(`the verb ${command.name()} has no ${name}`);
      return value;
    },
    list: (name) => {
      const value = values.get(name);
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
    },
    flag: (name) => values.get(name) === true,
    choice: (name, choices) => choices.find((choice) => choice === maybe(name)),
  };
}

/** Commander ends the process and prints by itself unless every command of the tree is told not to. */
function quieten(command: Command, said: { out: string; err: string }): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => {
      said.out += text;
    },
    writeErr: (text) => {
      said.err += text;
    },
    outputError: () => {},
  });
  for (const child of command.commands) quieten(child, said);
}

/** Commander's words for a mistake, as a sentence and a mend. */
function usageProblem(error: CommanderError, argv: readonly string[]): Problem {
  const [first = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const meant = suggestion === undefined ? undefined : /\(Did you mean (.+)\?\)/.exec(suggestion)?.[1];
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`.replace(/\.?$/, '.');
  return problem(
    'usage',
    sentence,
    meant === undefined ? `See \`plumbline help${verbOf(argv)}\`.` : `Did you mean ${meant}?`,
  );
}

function verbOf(argv: readonly string[]): string {
  const word = argv.find((word) => !word.startsWith('-'));
  return word === undefined ? '' : ` ${word}`;
}
