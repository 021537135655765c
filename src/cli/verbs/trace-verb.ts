// `trace`: every process start, connection and listener of a VM as it happens.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { parseDuration } from '../duration.ts';
import { printTraceHeading, printTraceLine, printTraceSummary } from '../print/trace.ts';
import type { Verb, Words } from '../verb.ts';

export const traceVerb: Verb = {
  words: 'trace <vm>',
  says: 'Follow every process start, connection and listener of a running VM of this host; Ctrl-C ends it in order',
  group: 'See',
  stops: true,
  options: [
    { flags: '--for <seconds>', says: 'end by itself after so many seconds, or after 10m, 2h ...' },
    { flags: '--all', says: 'forks, exits, changes of user and bare binds too; --json always has them' },
  ],
  async run(run, words) {
    const forMs = durationOf(words);
    if (!forMs.ok) return forMs;
    const vm = words.text('vm');
    if (!run.json) run.say({ value: null, text: printTraceHeading });
    const traced = await run.shell.programs.trace(run.stateDir, vm, {
      stop: run.shell.stop,
      forMs: forMs.value,
      onLine: (line) => {
        const text = (page: Parameters<typeof printTraceLine>[1]) => printTraceLine(line, page, words.flag('all'));
        run.say({ value: { host: vm, ...line }, text });
      },
    });
    if (!traced.ok) return traced;
    const { summary, brokeOff } = traced.value;
    run.say({ value: summary, text: () => printTraceSummary(summary) });
    return brokeOff === null ? ok(null) : fail(problem('failed', `The trace of ${vm} ended early: ${brokeOff}`));
  },
};

/** A bare number is in seconds. */
function durationOf(words: Words): Result<number | null> {
  const text = words.maybe('for');
  if (text === undefined) return ok(null);
  return parseDuration(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text);
}
