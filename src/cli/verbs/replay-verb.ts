// `replay`: what a manifest would have said about behaviour that was recorded earlier.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Manifest } from '../../model/manifest.ts';
import { printReplay } from '../print/replay.ts';
import type { Run } from '../run.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { readManifest } from './read-manifest.ts';

export const replayVerb: Verb = {
  words: 'replay <file...>',
  says: 'Hold recorded behaviour (NDJSON, plain or .gz) against a manifest; exit code 1 when it would have alarmed',
  group: 'Judge',
  options: [
    { flags: '--manifest <file>', says: 'a manifest, as `manifest show --json` prints it' },
    { flags: '--vm <vm>', says: 'the newest manifest of a VM' },
  ],
  async run(run, words) {
    const manifest = await manifestOf(run, words);
    if (!manifest.ok) return manifest;
    const report = await run.shell.programs.replay(words.list('file'), manifest.value);
    const said = answer(report, printReplay);
    return said.ok && report.ok ? ok({ ...said.value, found: report.value.findings.length > 0 }) : said;
  },
};

async function manifestOf(run: Run, words: Words): Promise<Result<Manifest>> {
  const file = words.maybe('manifest');
  const vm = words.maybe('vm');
  if (file !== undefined && vm === undefined) {
    const text = await run.shell.readText(file);
    return text.ok ? readManifest(file, text.value) : text;
  }
  if (vm !== undefined && file === undefined) {
    const reading = await run.ask((manager) => manager.getManifest({ vm }));
    return reading.ok ? ok(reading.value.manifest) : reading;
  }
  return fail(
    problem('usage', 'A replay needs one manifest to hold against.', 'Name it with --manifest FILE or --vm VM.'),
  );
}
