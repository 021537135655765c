// One call of the command line from its words to its exit code. Everything said goes through here: JSON for programs, text for
// people, problems as one sentence and its mend.
import { exitCodes, problem, causeOf, type Problem } from '../kit/problem.ts';
import { fail, type Result } from '../kit/result.ts';
import type { Client } from '../client/connect.ts';
import { parse } from './grammar.ts';
import { colouredPage, plainPage, wantsColour, type Page } from './print/page.ts';
import { visible, visibleJson } from './print/visible.ts';
import type { Output, Shell } from './shell.ts';
import { stateDirectoryOf } from './state-directory.ts';
import type { Answer, Verb, Words } from './verb.ts';

/** What a verb has at hand. */
export interface Run {
  readonly shell: Shell;
  readonly stateDir: string;
  readonly json: boolean;
  /** Puts a question to the manager of the state directory; when there is none, the answer is why. */
  ask<T>(question: (manager: Client) => Promise<Result<T>>): Promise<Result<T>>;
  /** For verbs that answer more than once: one line of JSON, or some lines of text, at once. */
  say(answer: Answer): void;
  /** For people only, beside the answer: what is going on. */
  note(text: string): void;
}

export async function runCommandLine(argv: readonly string[], shell: Shell, verbs: readonly Verb[]): Promise<number> {
  const parsed = parse(argv, verbs);
  if (parsed.kind === 'help') {
    (parsed.asked ? shell.out : shell.err).write(parsed.text);
    return parsed.asked ? 0 : exitCodes.usage;
  }
  if (parsed.kind === 'problem') return sayProblem(parsed.problem, shell, asksForJson(argv));
  const { verb, words } = parsed;
  const run = begin(shell, stateDirectoryOf(words.maybe('state'), shell), words.flag('json'));
  const answered = await Promise.race([
    attempt(verb, run, words),
    ...(verb.stops === true ? [] : [stopped(shell.stop)]),
  ]);
  // Who pressed Ctrl-C knows why the verb came to nothing.
  if (!answered.ok && shell.stop.aborted && answered.error.kind === 'interrupted') return exitCodes.interrupted;
  if (!answered.ok) return sayProblem(answered.error, shell, run.json);
  return answered.value?.found === true ? 1 : 0;
}

async function attempt(verb: Verb, run: Run, words: Words): Promise<Result<Answer | null>> {
  try {
    const answered = await verb.run(run, words);
    if (answered.ok && answered.value !== null) run.say(answered.value);
    return answered;
  } catch (thrown) {
    return fail(
      problem(
        'failed',
        `This should not have happened: ${causeOf(thrown)}.`,
        'Please report it with the command you gave.',
      ),
    );
  }
}

/** A question to the manager or a look into a guest is simply left alone when the user has had enough. */
async function stopped(stop: AbortSignal): Promise<Result<never>> {
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
  return fail(problem('interrupted', 'Interrupted.'));
}

function begin(shell: Shell, stateDir: string, json: boolean): Run {
  return {
    shell,
    stateDir,
    json,
    ask: async (question) => {
      const manager = await shell.connect(stateDir, { by: actorOf(shell) });
      return manager.ok ? await question(manager.value) : manager;
    },
    say: (answer) => {
      if (json) return shell.out.write(`${visibleJson(answer.value)}\n`);
      const text = answer.text(pageOf(shell.out, shell));
      if (text !== '') shell.out.write(`${text}\n`);
    },
    note: (text) => {
      if (!json) shell.err.write(`${visible(text)}\n`);
    },
  };
}

/** The person behind sudo, so that the audit log does not say root of everybody. */
function actorOf({ env, user }: Shell): string {
  return user.uid === 0 ? (env['SUDO_USER'] ?? user.name) : user.name;
}

function pageOf(output: Output, { env }: Shell): Page {
  return wantsColour(output.isTerminal, env) ? colouredPage(output.width) : { ...plainPage, width: output.width };
}

function sayProblem({ kind, message, mend }: Problem, shell: Shell, json: boolean): number {
  const page = pageOf(shell.err, shell);
  const text = json
    ? visibleJson(problem(kind, message, mend))
    : [page.paint('bad', visible(message)), ...(mend === undefined ? [] : [visible(mend)])].join('\n');
  shell.err.write(`${text}\n`);
  return exitCodes[kind];
}

/** Also a call that cannot be understood answers in the form it asked for. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json');
}
