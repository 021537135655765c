// `selftest`: what this host and one of its VMs can really do.
import { ok } from '../../kit/result.ts';
import { printSelftestStep } from '../print/selftest.ts';
import type { Verb } from '../verb.ts';

export const selftestVerb: Verb = {
  words: 'selftest [vm]',
  says: 'Show on this host, with a VM of it, what tracing stands on: watchpoints, breakpoints, refusal; exit code 1 when one fails',
  group: 'Run',
  stops: true,
  options: [{ flags: '--refuse <path>', says: 'refuse this program, which you start inside the VM meanwhile' }],
  async run(run, words) {
    const tested = await run.shell.programs.selftest(run.stateDir, {
      vm: words.maybe('vm') ?? null,
      refuse: words.maybe('refuse') ?? null,
      stop: run.shell.stop,
      onStep: (step) => {
        if (!run.json) run.say({ value: step, text: (page) => printSelftestStep(step, page) });
      },
    });
    if (!tested.ok) return tested;
    const found = tested.value.some(({ outcome }) => outcome === 'fails');
    return ok({ value: tested.value, text: () => '', found });
  },
};
