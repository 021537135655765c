// `up`: the whole of Plumbline on one machine, until it is asked to stop; and the way to its console.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { colouredPage, plainPage, wantsColour } from '../print/page.ts';
import type { BridgeEnforcer } from '../../sentinel/network/bridge-enforcer.ts';
import type { Shell } from '../shell.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { runDirectoryOf } from '../state-directory.ts';
import { programLog } from '../up/program-log.ts';
import { startLimits, watchStart } from '../up/start-watch.ts';

export const consoleVerb: Verb = {
  words: 'console',
  says: 'Say the link that opens the console; whoever has it may do everything',
  group: 'Run',
  async run({ shell, stateDir }) {
    const link = await shell.consoleLink(stateDir);
    return answer(link.ok ? ok({ console: link.value }) : link, ({ console }) => console);
  },
};

export const upVerb: Verb = {
  words: 'up',
  says: 'Run manager and sentinel on this machine and say where the console is; Ctrl-C ends both',
  group: 'Run',
  stops: true,
  options: [
    { flags: '--port <n>', says: 'port of the API and console on 127.0.0.1; 0 takes a free one' },
    { flags: '--config <file>', says: 'configuration of the manager (YAML)' },
    { flags: '--flows', says: 'watch the VMs’ connections outside them too, and name what they hide (root, tcpdump)' },
    {
      flags: '--bridges <who>',
      says: 'nftables or nwfilter (libvirt): who cuts VMs off on Linux bridges; by default nftables where it can be used',
    },
  ],
  async run(run, words) {
    const port = portOf(words);
    if (!port.ok) return port;
    const bridges = bridgesOf(words);
    if (!bridges.ok) return bridges;
    const { shell, stateDir } = run;
    const configFile = words.maybe('config');
    const start = watchStart(shell.stop, startLimits);
    const starting = shell.programs.serve({
      stateDir,
      runDirectory: runDirectoryOf(shell),
      waitsFor: start.waitsFor,
      ...(port.value === null ? {} : { port: port.value }),
      ...(configFile === undefined ? {} : { configFile }),
      ...(words.flag('flows') ? { flows: true } : {}),
      ...(bridges.value === null ? {} : { bridgeEnforcer: bridges.value }),
      log: (program) => programLog(program, shell.err, pageOfLog(shell)),
    });
    const serving = await start.over(starting);
    if (!serving.ok) {
      // Who asked it to stop is not told that it did; but is, what it hung at.
      if (serving.error.kind === 'interrupted') run.note(serving.error.message);
      return serving;
    }
    const { address, console } = serving.value;
    run.say({
      value: { address, console, state: stateDir },
      // Where no person reads along it goes into a log, and the link is a secret.
      text: (page) =>
        shell.out.isTerminal
          ? `Plumbline is up. Open ${page.paint('heading', console)}\nCtrl-C stops it.`
          : `Plumbline is up at ${address}; \`plumbline console\` says the link that opens its console.`,
    });
    await stopAsked(shell.stop);
    const closed = await serving.value.close();
    return closed.ok ? ok(null) : closed;
  },
};

function pageOfLog({ err, env }: Shell) {
  if (!err.isTerminal) return null;
  return wantsColour(err.isTerminal, env) ? colouredPage(null) : plainPage;
}

async function stopAsked(stop: AbortSignal): Promise<void> {
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
}

function portOf(words: Words): Result<number | null> {
  const text = words.maybe('port');
  if (text === undefined) return ok(null);
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return ok(Number(text));
  return fail(problem('usage', `--port takes a number from 0 to 65535, not "${text}".`));
}

function bridgesOf(words: Words): Result<BridgeEnforcer | null> {
  const text = words.maybe('bridges') ?? null;
  if (text === null || text === 'nftables' || text === 'nwfilter') return ok(text);
  return fail(problem('usage', `--bridges takes nftables or nwfilter, not "${text}".`));
}
