// Whether a guest is what it says it is: its kernel, its processes, and what a program in it is by its contents.
import { resolve } from 'node:path';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import { printIdentity, printIntegrity } from '../print/integrity.ts';
import { answer, type Verb } from '../verb.ts';

export const integrityVerbs: readonly Verb[] = [
  {
    words: 'integrity <vm>',
    says: 'Look whether a running VM of this host was tampered with: its kernel and its processes; exit code 1 when it was',
    group: 'See',
    options: [
      {
        flags: '--baseline <file>',
        says: 'the vmlinuz of the guest’s kernel package; else what was seen first is taken for the truth',
      },
    ],
    async run(run, words) {
      const file = words.maybe('baseline');
      const vmlinuz = file === undefined ? null : resolve(file);
      const report = await run.shell.programs.integrity(run.stateDir, words.text('vm'), vmlinuz);
      const said = answer(report, printIntegrity);
      if (!said.ok || !report.ok) return said;
      const found = report.value.checks.some(({ findings }) =>
        findings.some(({ certainty }) => certainty === 'certain'),
      );
      return ok({ ...said.value, found });
    },
  },
  {
    words: 'hash <vm> <pid>',
    says: 'Say the SHA-256 of the program a process inside a running VM runs, read from outside',
    group: 'See',
    async run(run, words) {
      const pid = words.text('pid');
      if (!/^\d{1,10}$/.test(pid)) return fail(problem('usage', `"${pid}" is no pid.`, 'See `plumbline ps VM`.'));
      const identity = await run.shell.programs.hash(run.stateDir, words.text('vm'), Number(pid));
      const said = answer(identity, printIdentity);
      return said.ok && identity.ok ? ok({ ...said.value, found: identity.value.sha256 === null }) : said;
    },
  },
];
