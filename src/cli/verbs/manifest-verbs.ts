// Manifests: what a VM may do, how that changed, and whether the seal on it holds.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Manifest } from '../../model/manifest.ts';
import { printExplanation } from '../print/explanation.ts';
import { printDiff, printGenerations, printManifest, printSeal, type SealReport } from '../print/manifests.ts';
import type { Run } from '../run.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { readEnvelope } from './read-manifest.ts';

export const manifestVerbs: readonly Verb[] = [
  {
    words: 'manifest show <vm>',
    says: 'Show what a VM may do, entry by entry',
    group: 'Learn',
    options: [
      { flags: '--generation <n>', says: 'an older one' },
      { flags: '--sealed', says: 'the signed envelope itself, for keeping and for `manifest verify`' },
    ],
    async run(run, words) {
      const generation = generationOf(words, 'generation');
      if (!generation.ok) return generation;
      const which = { vm: words.text('vm'), ...given('generation', generation.value) };
      const reading = await run.ask((manager) => manager.getManifest(which));
      if (!words.flag('sealed')) return answer(reading, printManifest);
      return answer(reading.ok ? ok(reading.value.sealed) : reading, (sealed) => JSON.stringify(sealed));
    },
  },
  {
    words: 'manifest explain <vm> <entry>',
    says: 'Say what an entry admits beyond what was seen, by examples, and what it rests on',
    group: 'Learn',
    async run(run, words) {
      const which = { vm: words.text('vm'), entry: words.text('entry') };
      return answer(await run.ask((manager) => manager.explainEntry(which)), printExplanation);
    },
  },
  {
    words: 'manifest list <vm>',
    says: 'List every manifest issued for a VM, and why',
    group: 'Learn',
    async run(run, words) {
      const vm = words.text('vm');
      return answer(await run.ask((manager) => manager.listGenerations({ vm })), printGenerations);
    },
  },
  {
    words: 'manifest diff <vm>',
    says: 'Show what changed between two generations; between the last two when none is named',
    group: 'Learn',
    options: [
      { flags: '--from <n>', says: 'the older generation' },
      { flags: '--to <n>', says: 'the newer generation' },
    ],
    async run(run, words) {
      const from = generationOf(words, 'from');
      const to = generationOf(words, 'to');
      if (!from.ok) return from;
      if (!to.ok) return to;
      const range = { vm: words.text('vm'), ...given('from', from.value), ...given('to', to.value) };
      return answer(await run.ask((manager) => manager.diffManifest(range)), printDiff);
    },
  },
  {
    words: 'manifest verify <file|vm>',
    says: 'Check the signature of a manifest, in a file or as issued for a VM, with the keys this host trusts',
    group: 'Learn',
    options: [{ flags: '--trust <file>', says: 'trusted keys; those of the state directory when left out' }],
    async run(run, words) {
      const envelope = await envelopeOf(run, words.text('file|vm'));
      if (!envelope.ok) return envelope;
      const opened = await run.shell.programs.verifyManifest(run.stateDir, envelope.value, words.maybe('trust'));
      return answer(opened.ok ? ok(sealReport(opened.value)) : opened, printSeal);
    },
  },
];

function sealReport({ manifest, keyid }: { manifest: Manifest; keyid: string }): SealReport {
  const { vm, vmName, scope, service, mode, generation, issuedAt, entries } = manifest;
  return { verified: true, keyid, vm, vmName, scope, service, mode, generation, issuedAt, entries: entries.length };
}

/** A file when there is one of that name, else the newest manifest of the VM. What `manifest show --json` printed is taken as well. */
async function envelopeOf(run: Run, named: string): Promise<Result<unknown>> {
  const text = await run.shell.readText(named);
  if (text.ok) return readEnvelope(named, text.value);
  const looksLikePath = named === '-' || named.includes('/') || named.endsWith('.json');
  if (text.error.kind !== 'not-found' || looksLikePath) return text;
  const reading = await run.ask((manager) => manager.getManifest({ vm: named }));
  return reading.ok ? ok(reading.value.sealed) : reading;
}

function generationOf(words: Words, option: string): Result<number | null> {
  const text = words.maybe(option);
  if (text === undefined) return ok(null);
  if (/^[1-9]\d{0,8}$/.test(text)) return ok(Number(text));
  return fail(
    problem(
      'usage',
      `--${option} takes the number of a generation, not "${text}".`,
      'See `plumbline manifest list VM`.',
    ),
  );
}

function given<K extends string>(key: K, value: number | null): { readonly [P in K]?: number } {
  return value === null ? {} : ({ [key]: value } as { readonly [P in K]?: number });
}
