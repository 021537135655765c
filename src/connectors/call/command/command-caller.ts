// Runs an executable on the manager's machine, as a user of its own. What was found in a guest reaches it on standard input
// alone: never as an argument, in the environment, or through a shell.
import { sayProblem } from '../../../kit/problem.ts';
import { runProgram } from '../../../protocols/host-program/run-program.ts';
import { type Caller, type CallOrder, type CallOutcome, nothingToEnd } from '../caller.ts';
import { plainText } from '../plain-text.ts';
import { type RunEnd, runBounded } from './bounded-run.ts';
import { executableObstacle } from './executable.ts';

export interface CommandSettings {
  /** The executable's absolute path and its arguments. */
  readonly run: readonly string[];
  readonly user: string;
  readonly allowRoot: boolean;
  readonly timeoutMs: number;
  readonly graceMs: number;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** `EX_TEMPFAIL` of sysexits.h. */
const tryAgain = 75;
const outputBytesMax = 16 * 1024;
const evidenceLengthMax = 3000;

export function makeCommandCaller(settings: CommandSettings): Caller {
  return {
    kind: 'command',
    place: settings.run[0] ?? '',
    canEnd: false,
    async obstacle() {
      const ready = await readyToRun(settings);
      return typeof ready === 'string' ? ready : null;
    },
    call: async (order) => await run(settings, order),
    end: nothingToEnd,
  };
}

async function run(settings: CommandSettings, { facts, signal }: CallOrder): Promise<CallOutcome> {
  const account = await readyToRun(settings);
  if (typeof account === 'string') return { state: 'failed', evidence: account, again: false };
  const { run: command, timeoutMs, graceMs } = settings;
  const argv = [...asAccount(account), ...command];
  const input = `${JSON.stringify(facts)}\n`;
  const end = await runBounded({ argv, input, timeoutMs, graceMs, outputBytesMax, signal });
  return outcomeOf(settings, end);
}

function outcomeOf({ run: [program], timeoutMs }: CommandSettings, end: RunEnd): CallOutcome {
  const cut = end.outputBytes > outputBytesMax ? ` (${end.outputBytes} bytes in all)` : '';
  const said = end.output.trim() === '' ? '' : `: ${plainText(end.output, evidenceLengthMax)}${cut}`;
  const failed = (what: string, again: boolean): CallOutcome => ({
    state: 'failed',
    evidence: `${program} ${what}${said}`,
    again,
  });
  switch (end.how) {
    case 'unstarted':
      return failed('could not be started', true);
    case 'late':
      return { state: 'unconfirmed', evidence: `${program} was ended after ${timeoutMs} ms${said}` };
    case 'stopped':
      return { state: 'unconfirmed', evidence: `${program} was ended, since the manager stopped${said}` };
    case 'ended':
      if (end.code === 0) return { state: 'done', evidence: `${program} ended with 0${said}` };
      if (end.code === null) return failed(`was ended by ${end.killedBy}`, false);
      return failed(`ended with ${end.code}`, end.code === tryAgain);
  }
}

/** The account it runs as, or why it must not be run. */
async function readyToRun({ run: [program = ''], user, allowRoot }: CommandSettings): Promise<Account | string> {
  const uid = await idOf('-u', user);
  const gid = await idOf('-g', user);
  if (typeof uid === 'string') return uid;
  if (typeof gid === 'string') return gid;
  if ((uid === 0 || gid === 0) && !allowRoot) return `${user} is root or in its group, which needs allowRoot: true`;
  const own = process.geteuid?.() ?? -1;
  if (own !== 0 && own !== uid) return `the manager runs as user ${own} and cannot run ${program} as ${user}`;
  return (await executableObstacle(program, [0, own, uid])) ?? { uid, gid };
}

async function idOf(which: '-u' | '-g', user: string): Promise<number | string> {
  const said = await runProgram(['id', which, '--', user]);
  if (!said.ok) return `there is no account ${user} to run it as: ${sayProblem(said.error)}`;
  return /^[0-9]{1,10}\n$/.test(said.value) ? Number(said.value) : `the account ${user} has no id`;
}

/** No program with set-user-ID gives anything back, and the kernel ends it should we end without a word. */
function asAccount({ uid, gid }: Account): readonly string[] {
  const keep = ['setpriv', '--no-new-privs', '--pdeathsig', 'KILL'];
  if (process.geteuid?.() !== 0) return [...keep, '--'];
  return [...keep, `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', '--'];
}
