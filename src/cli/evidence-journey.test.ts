// The way of evidence for a user: what was collected, a bundle of it that is checked, and nothing half written when the way breaks.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { problem } from '../kit/problem.ts';
import { fail, ok } from '../kit/result.ts';
import { must, startTrial, type Trial } from '../manager/trial.ts';
import { at, findingOf, runningVm, started, vmId } from '../sim/simulated-activity.ts';
import { planOf } from '../sim/simulated-plan.ts';
import { makeSimulatedSentinel, tellHonestly, type SimulatedSentinel } from '../sim/simulated-sentinel.ts';
import { chunkBytesMax } from '../wire/messages.ts';
import { connect } from '../client/connect.ts';
import { connectManager, consoleLink } from './connect-manager.ts';
import { realPrograms } from './real-programs.ts';
import { runCommandLine } from './run.ts';
import { saveStream } from './save-stream.ts';
import { verbs } from './verbs/verbs.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-cli-evidence-'));
const bundle = join(directory, 'bundle.tar');
const bytes = Buffer.alloc(chunkBytesMax + 4321, 'evidence');
const id = 'a'.repeat(32);
let trial: Trial;
let sentinel: SimulatedSentinel;
let alarm = '';

before(async () => {
  trial = await startTrial();
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(sentinel);
  const deliver = async (parts: Parameters<SimulatedSentinel['batch']>[0]) =>
    must(await trial.manager.end.deliver(sentinel.batch(parts)));
  await deliver({ vms: [runningVm(1, 'web1')] });
  await deliver({ findings: [findingOf(started(vmId(1), '/tmp/evil', ['evil\u001b[2J']), 'evil')] });
  alarm = must(await connect(trial.manager).listAlarms({})).items[0]?.id ?? '';
  const [step] = planOf(['capture']).steps;
  assert.ok(step !== undefined);
  const done = { id: step.id, step, origin: 'standing-order', by: 'rules', alarm: null, group: 'evil' } as const;
  await deliver({ remediations: [{ ...done, state: 'done', evidence: 'tap0', startedAt: at(1), endedAt: at(2) }] });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const said = { name: 'a-tap0.pcap', sizeBytes: bytes.length, sha256, madeAt: at(3), note: '5 packets\u001b[2J' };
  await deliver({ evidence: [{ state: 'kept', id, kind: 'packets', vm: vmId(1), step: step.id, ...said }] });
  sentinel.files.set(id, bytes);
});
after(async () => {
  await trial.end();
  rmSync(directory, { recursive: true });
});

async function plumbline(...argv: string[]) {
  const said = { out: '', err: '' };
  const output = (to: 'out' | 'err') => ({
    write: (text: string) => void (said[to] += text),
    isTerminal: false,
    width: null,
  });
  const code = await runCommandLine(
    argv,
    {
      env: { PLUMBLINE_STATE: trial.stateDir },
      user: { name: 'alice', uid: 1000, home: '/home/alice' },
      out: output('out'),
      err: output('err'),
      stop: new AbortController().signal,
      programs: realPrograms,
      connect: connectManager,
      consoleLink,
      readText: async () => await Promise.resolve(fail(problem('not-found', 'no file'))),
    },
    verbs,
  );
  // oxlint-disable-next-line no-control-regex -- what is looked for
  assert.doesNotMatch(said.out + said.err, /[\u0000-\u0009\u000b-\u001f\u007f]/, argv.join(' '));
  return { code, ...said };
}

test('what was collected is listed, held, exported and verified', async () => {
  const listed = await plumbline('evidence', alarm);
  assert.equal(listed.code, 0, listed.err);
  assert.match(listed.out, /packets +\S+ +host1 +kept +1\.0 MiB +\S+ +- +alarm \S+ is open +5 packets\\x1b/);
  assert.match((await plumbline('evidence', 'hold', 'web1')).out, new RegExp(`Held: ${vmId(1)}`));
  assert.match((await plumbline('evidence')).out, /held by alice/);
  assert.match((await plumbline('evidence', 'holds')).out, /alice/);
  assert.equal((await plumbline('evidence', 'unhold', vmId(1))).code, 0);
  assert.equal((await plumbline('evidence', 'unhold', vmId(1))).code, 3);

  const exported = await plumbline('evidence', 'export', alarm.slice(0, 6), '-o', bundle);
  assert.equal(exported.code, 0, exported.err);
  assert.match(
    exported.out,
    /^Written [^]*seal {5}holds, key [^]*1 of 1 item as collected[^]*bytes {4}as signed, all of them/,
  );
  assert.ok(readFileSync(bundle).includes(bytes));
  const verified = await plumbline('evidence', 'verify', bundle);
  assert.equal(verified.code, 0, verified.err);
  const again = await plumbline('evidence', 'export', alarm, '-o', bundle);
  assert.equal(again.code, 5, 'evidence is not written over');
});

test('a bundle that was changed is told by exit code and by the name of what was changed', async () => {
  const whole = readFileSync(bundle);
  const changed = Buffer.from(whole);
  const at = whole.indexOf(bytes.subarray(0, 64)) + 100;
  changed[at] = (changed[at] ?? 0) ^ 1;
  const file = join(directory, 'changed.tar');
  writeFileSync(file, changed);
  const { code, out } = await plumbline('evidence', 'verify', file);
  assert.equal(code, 1);
  assert.match(out, /changed {2}items\/[0-9a-f]{32}\.pcap: its bytes are not those that were signed/);
  const trust = join(directory, 'other-trust.json');
  const other = await startTrial();
  writeFileSync(trust, readFileSync(join(other.stateDir, 'trust.json')));
  await other.end();
  assert.equal((await plumbline('evidence', 'verify', bundle, '--trust', trust)).code, 5);
  assert.equal((await plumbline('evidence', 'verify', join(directory, 'none.tar'))).code, 3);
  writeFileSync(file, 'no archive');
  assert.equal((await plumbline('evidence', 'verify', file)).code, 4);
});

test('an export says what is missing, and one about nothing writes nothing', async () => {
  sentinel.files.delete(id);
  const file = join(directory, 'without.tar');
  const { code, out } = await plumbline('evidence', 'export', alarm, '-o', file);
  assert.equal(code, 0);
  assert.match(out, /missing {2}packets [0-9a-f]{32} of host1: gone: The file of evidence/);
  sentinel.files.set(id, bytes);
  const none = join(directory, 'none.tar');
  assert.equal((await plumbline('evidence', 'export', 'no-such-alarm', '-o', none)).code, 3);
  assert.equal((await plumbline('evidence', 'export', alarm, '-o', join(directory, 'no', 'where.tar'))).code, 1);
  assert.deepEqual(readdirSync(directory).toSorted(), ['bundle.tar', 'changed.tar', 'other-trust.json', 'without.tar']);
});

test('a way that breaks in the middle leaves no file', async () => {
  const cut = join(directory, 'cut.tar');
  const nothingIsThere = (): boolean => !readdirSync(directory).some((name) => name.startsWith('cut.tar'));
  const large = Buffer.alloc(48 * chunkBytesMax, 'large');
  const [step] = planOf(['capture']).steps;
  const sha256 = createHash('sha256').update(large).digest('hex');
  const said = { name: 'b.core', sizeBytes: large.length, sha256, madeAt: at(4), note: '' };
  const whose = { id: 'b'.repeat(32), kind: 'memory', vm: vmId(1), step: step?.id ?? '' } as const;
  must(await trial.manager.end.deliver(sentinel.batch({ evidence: [{ state: 'kept', ...whose, ...said }] })));
  sentinel.files.set(whose.id, large);
  const objected = await saveStream(
    cut,
    async () => await Promise.resolve(ok(some())),
    async () => await Promise.resolve(fail(problem('refused', 'No.'))),
  );
  assert.ok(!objected.ok && nothingIsThere());

  const restarts: Promise<unknown>[] = [];
  sentinel.tellOfEvidence((question, there) => {
    if (question.offset === 8 * chunkBytesMax) restarts.push(trial.restart());
    return tellHonestly(question, there);
  });
  const { code, err } = await plumbline('evidence', 'export', alarm, '-o', cut);
  await Promise.all(restarts);
  assert.ok(restarts.length === 1 && code === 130 && nothingIsThere(), `${code}: ${err}`);
});

async function* some(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from('some bytes'));
}
