// Evidence: what was collected, one signed bundle of it, and what must be kept.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { printEvidence, printExported, printHolds, printVerified } from '../print/evidence.ts';
import type { Run } from '../run.ts';
import { saveStream } from '../save-stream.ts';
import { answer, type Answer, type Verb, type Words } from '../verb.ts';
import type { VerifiedBundle } from '../../manager/evidence/verify-bundle.ts';
import { collect, limitOf, limitOption } from './paging.ts';

export const evidenceVerbs: readonly Verb[] = [
  {
    words: 'evidence [alarm|plan|vm]',
    says: 'List what was collected: of an alarm, a plan or a VM, or all of it, the latest first',
    group: 'Answer',
    options: [limitOption],
    async run(run, words) {
      const limit = limitOf(words);
      if (!limit.ok) return limit;
      const of = words.maybe('alarm|plan|vm');
      const filter = of === undefined ? {} : { of };
      const listed = await run.ask((manager) =>
        collect(limit.value, async (page) => await manager.listEvidence({ ...filter, ...page })),
      );
      return answer(listed, printEvidence);
    },
  },
  {
    words: 'evidence export <alarm|plan>',
    says: 'Write everything about an alarm or a plan into one archive with a signed index, and check it',
    group: 'Answer',
    stops: true,
    options: [{ flags: '-o, --output <file>', says: 'a file that does not exist yet', required: true }],
    run: exportBundle,
  },
  {
    words: 'evidence verify <file>',
    says: 'Check the signature and every byte of a bundle, offline, and say what is missing in it',
    group: 'Answer',
    options: [{ flags: '--trust <file>', says: 'trusted keys; those of the state directory when left out' }],
    async run(run, words) {
      const file = words.text('file');
      const checked = await run.shell.programs.verifyBundle(run.stateDir, file, words.maybe('trust'));
      const said = answer(checked, printVerified);
      return said.ok && checked.ok ? ok({ ...said.value, found: isWrong(checked.value) }) : said;
    },
  },
  {
    words: 'evidence hold <alarm|plan|vm>',
    says: 'Keep an item, or all of an alarm, a plan or a VM, beyond its time',
    group: 'Answer',
    async run(run, words) {
      const subject = words.text('alarm|plan|vm');
      const held = await run.ask((manager) => manager.holdEvidence({ subject }));
      return answer(held, (hold) => `Held: ${hold.subject}.`);
    },
  },
  {
    words: 'evidence unhold <hold>',
    says: 'Let retention have again what was held',
    group: 'Answer',
    async run(run, words) {
      const subject = words.text('hold');
      const dropped = await run.ask((manager) => manager.unholdEvidence({ subject }));
      return answer(dropped, (hold) => `Held no longer: ${hold.subject}.`);
    },
  },
  {
    words: 'evidence holds',
    says: 'List what a person said must be kept',
    group: 'Answer',
    async run(run) {
      return answer(await run.ask((manager) => manager.listEvidenceHolds()), printHolds);
    },
  },
];

async function exportBundle(run: Run, words: Words): Promise<Result<Answer>> {
  const subject = words.text('alarm|plan');
  const file = words.text('output');
  const { programs, stop } = run.shell;
  const saved = await run.ask(
    async (manager) =>
      await saveStream(
        file,
        async () => await manager.downloadEvidence(subject, stop),
        async (written) => {
          const checked = await programs.verifyBundle(run.stateDir, written);
          if (!checked.ok || checked.value.faults.length === 0) return checked;
          const { member = '', why = '' } = checked.value.faults[0] ?? {};
          const changed = `The bundle did not arrive as it was signed: ${member}: ${why}.`;
          return fail(problem('failed', changed, 'Export it again.'));
        },
      ),
  );
  if (!saved.ok) return stop.aborted ? fail(problem('interrupted', 'Interrupted; nothing was written.')) : saved;
  return answer(ok({ file, ...saved.value }), printExported);
}

/** Another thing than what was signed, or than what was collected. That something is missing is said, and no fault of the bundle. */
function isWrong({ faults, index }: VerifiedBundle): boolean {
  return faults.length > 0 || index.collected.some(({ found }) => found === 'differs');
}
