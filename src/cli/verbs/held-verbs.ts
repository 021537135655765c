// Attempts that are held: a whole VM stands still because of one, until somebody says what is to happen.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { HeldAnswer } from '../../model/remediation.ts';
import { sayRemediation } from '../print/alarms.ts';
import { printHeld } from '../print/held.ts';
import { answer, type Verb } from '../verb.ts';

const answers = ['allow', 'block', 'kill'] as const satisfies readonly HeldAnswer[];

export const heldVerbs: readonly Verb[] = [
  {
    words: 'held',
    says: 'List the VMs that stand still because of an attempt a person is to decide about',
    group: 'Answer',
    async run(run) {
      const vms = await run.ask((manager) => manager.listVms());
      const held = vms.ok
        ? ok(vms.value.flatMap(({ id, name, held }) => (held === undefined ? [] : [{ vm: id, name, ...held }])))
        : vms;
      return answer(held, printHeld);
    },
  },
  {
    words: 'release <vm> <answer>',
    says: 'Answer the attempt that is held on a VM, and let the VM run on; what became of it is read back',
    group: 'Answer',
    choices: { answer: answers },
    async run(run, words) {
      const given = words.choice('answer', answers);
      if (given === undefined) return fail(problem('usage', 'No answer was named.'));
      const released = await run.ask((manager) => manager.releaseVm({ vm: words.text('vm'), answer: given }));
      const said = answer(released, sayRemediation);
      return said.ok && released.ok ? ok({ ...said.value, found: released.value.state !== 'done' }) : said;
    },
  },
];
