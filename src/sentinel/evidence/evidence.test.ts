// What a host keeps: every file from the moment it was made, over restarts, within its limits; and what it answers about it, to whom.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import * as fc from 'fast-check';
import { silentLog } from '../../kit/log.ts';
import { problem } from '../../kit/problem.ts';
import type { EvidenceReport } from '../../model/evidence.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { vmId } from '../../sim/simulated-activity.ts';
import type { EvidenceQuestion, EvidenceRetention } from '../../wire/messages.ts';
import { type Database, openDatabase } from '../database.ts';
import type { EvidenceLimits } from './evidence-keeper.ts';
import { HostEvidence } from './host-evidence.ts';

const dayMs = 86_400_000;

suite('evidence of a host', () => {
  let directory = '';
  let manager: RecordingManager;
  let database: Database;
  let evidence: HostEvidence;
  let reports: EvidenceReport[] = [];
  let nowMs = Date.parse('2026-11-22T08:00:00.000Z');
  const clock = { now: () => nowMs, monotonic: () => nowMs };

  function open(limits: Partial<EvidenceLimits> = {}): void {
    const opened = openDatabase(join(directory, 'sentinel.db'));
    assert.ok(opened.ok);
    database = opened.value;
    evidence = new HostEvidence({
      name: 'host',
      trusted: manager.trusted,
      clock,
      log: silentLog,
      evidence: limits,
      database,
      directory: join(directory, 'evidence'),
      report: (report) => void reports.push(report),
    });
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'plumbline-host-evidence-'));
    manager = new RecordingManager();
    reports = [];
    open();
  });
  afterEach(async () => {
    await evidence.close();
    database.close();
    rmSync(directory, { recursive: true });
  });

  async function restart(limits: Partial<EvidenceLimits> = {}): Promise<void> {
    await evidence.close();
    database.close();
    reports = [];
    open(limits);
    evidence.start();
  }

  const pathOf = (name: string): string => join(directory, 'evidence', 'packets', name);
  const step = (id: string): Step => {
    const [capture] = planOf(['capture']).steps;
    assert.ok(capture !== undefined);
    return { ...capture, id };
  };

  /** A capture that ended; each a second after the one before. */
  async function captured(id: string, bytes: string): Promise<string> {
    nowMs += 1000;
    assert.equal(await evidence.refuses(step(id)), null);
    const path = pathOf(`${id}-tap0.pcap`);
    writeFileSync(path, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    evidence.captured({
      id,
      interface: 'tap0',
      path,
      sizeBytes: bytes.length,
      packets: 3,
      sha256,
      from: 'then',
      until: 'now',
      endedBy: 'time',
      dropped: 2,
    });
    const report = reports.at(-1);
    assert.ok(report?.state === 'kept');
    return report.id;
  }

  async function asked(change: Partial<EvidenceQuestion>) {
    const expiresAt = new Date(nowMs + 60_000).toISOString();
    const question = { sentinel: 'host', item: 'a'.repeat(32), offset: 0, bytes: 4096, expiresAt, ...change };
    const answer = await evidence.answer(manager.question(question));
    return answer.ok ? Buffer.from(answer.value.data, 'base64').toString() : answer.error.kind;
  }

  async function told(keep: readonly string[], remove: EvidenceRetention['remove'] = [], sentinel = 'host') {
    const issuedAt = new Date(nowMs).toISOString();
    return await evidence.retain(manager.retention({ sentinel, issuedAt, keep: [...keep], remove }));
  }

  async function until(holds: () => boolean): Promise<void> {
    for (const deadline = performance.now() + 5000; !holds();) {
      assert.ok(performance.now() < deadline, 'not within five seconds');
      await wait(5);
    }
  }

  test('a capture is reported with its step and its hash, and given out in pieces', async () => {
    const id = await captured('one', 'packets of one');
    const [report] = reports;
    assert.ok(report?.state === 'kept');
    assert.deepEqual([report.vm, report.step, report.name], [vmId(1), 'one', 'one-tap0.pcap']);
    assert.match(report.note, /^3 packets at tap0 .* the kernel dropped 2$/);
    assert.equal(await asked({ item: id }), 'packets of one');
    assert.equal(await asked({ item: id, offset: 8, bytes: 2 }), 'of');
    assert.equal(await asked({ item: id, offset: 1000 }), '');
  });

  test('nothing is given out that was not reported, was changed, or was asked for wrongly', async () => {
    const id = await captured('two', 'packets');
    assert.equal(await asked({ item: 'b'.repeat(32) }), 'not-found');
    assert.equal(await asked({ item: id, sentinel: 'another' }), 'refused');
    assert.equal(await asked({ item: id, expiresAt: new Date(nowMs).toISOString() }), 'refused');
    const stranger = new RecordingManager().question({
      sentinel: 'host',
      item: id,
      offset: 0,
      bytes: 1,
      expiresAt: '2099-01-01T00:00:00.000Z',
    });
    assert.equal((await evidence.answer(stranger)).ok, false);
    writeFileSync(pathOf('two-tap0.pcap'), 'longer than it was');
    assert.equal(await asked({ item: id }), 'unreadable');
    rmSync(pathOf('two-tap0.pcap'));
    assert.equal(await asked({ item: id }), 'not-found');
    writeFileSync(join(directory, 'secret'), 'secrets');
    symlinkSync(join(directory, 'secret'), pathOf('two-tap0.pcap'));
    assert.equal(await asked({ item: id }), 'unreadable');
  });

  test('no question leads to a path, whatever it names', async () => {
    await captured('three', 'packets');
    const names = fc.oneof(
      fc.string(),
      fc.constantFrom('../../sentinel.db', '/etc/passwd', 'three-tap0.pcap', '%2e%2e'),
    );
    const check = fc.asyncProperty(names, fc.integer(), async (item, offset) => {
      assert.match(await asked({ item, offset }), /^(unreadable|not-found|refused)$/);
    });
    await fc.assert(check, { numRuns: 50 });
  });

  test('what was known is told again after a restart, and what was left half is kept as such', async () => {
    const id = await captured('four', 'packets');
    assert.equal(await evidence.refuses(step('cut')), null);
    assert.equal(await evidence.refuses(step('whole')), null);
    writeFileSync(pathOf('cut-tap0.pcap.part'), 'half of');
    writeFileSync(pathOf('whole-tap0.pcap'), 'all of it');
    writeFileSync(pathOf('nobodys.pcap'), 'unknown');
    await restart();
    await until(() => reports.length === 3);
    const kept = reports.flatMap((report) =>
      report.state === 'kept' ? [[report.step, report.name, report.note]] : [],
    );
    assert.deepEqual(kept, [
      ['four', 'four-tap0.pcap', '3 packets at tap0 from then to now, ended by time; the kernel dropped 2'],
      ['cut', 'cut-tap0.pcap.cut', 'cut off when the sentinel was ended'],
      ['whole', 'whole-tap0.pcap', 'found complete, hashed afterwards'],
    ]);
    assert.equal(await asked({ item: id }), 'packets');
    await restart();
    assert.equal(reports.length, 3);
  });

  test('a file that nobody told of is taken in when it has not grown for a while', async () => {
    assert.equal(await evidence.refuses(step('dump')), null);
    const path = join(directory, 'evidence', 'dump.elf');
    writeFileSync(path, 'memory of the guest');
    utimesSync(path, nowMs / 1000, nowMs / 1000);
    evidence.tend();
    nowMs += 120_000;
    evidence.tend();
    await until(() => reports.length > 0);
    assert.equal(reports.length, 1);
    assert.ok(reports[0]?.state === 'kept' && reports[0].kind === 'memory');
  });

  test('memory is taken in when its step has ended, or told as lost', async () => {
    const remediation = (id: string, state: Remediation['state']): Remediation => {
      const dump = { ...step(id), action: 'memory-dump' as Step['action'] };
      return { id, step: dump, ...by, state, evidence: 'read back', startedAt: 'then', endedAt: 'now' };
    };
    const by = { origin: 'person', by: 'ann', alarm: null, group: null } as const;
    for (const id of ['whole', 'failed']) assert.equal(await evidence.refuses(remediation(id, 'executing').step), null);
    writeFileSync(join(directory, 'evidence', 'whole.elf'), 'ELF');
    evidence.ended(remediation('whole', 'executing'));
    evidence.ended(remediation('whole', 'done'));
    evidence.ended(remediation('failed', 'failed'));
    await until(() => reports.length === 2);
    const said = reports.map((report) =>
      report.state === 'removed' ? '' : `${report.kind} ${report.step} ${report.state}`,
    );
    assert.deepEqual(said, ['memory failed lost', 'memory whole kept']);
  });

  test('what could not be kept is told', async () => {
    assert.equal(await evidence.refuses(step('lost')), null);
    evidence.captureLost('lost', problem('failed', 'The disk is full.'));
    const [report] = reports;
    assert.ok(report?.state === 'lost' && report.step === 'lost' && report.why === 'The disk is full.');
    await restart();
    assert.equal(reports[0]?.state, 'lost');
  });

  test('the oldest goes when it is too much; never what is to be kept, nor what nobody has spoken about', async () => {
    await restart({ bytesMax: 20, ageMsMax: 10 * dayMs });
    const first = await captured('r1', '0123456789');
    const second = await captured('r2', '0123456789');
    const gone = (): string[] =>
      reports.flatMap((report) => (report.state === 'removed' ? [`${report.id} ${report.by}`] : []));
    nowMs += dayMs;
    assert.deepEqual(gone(), []);
    const refused = await evidence.refuses(step('r3'));
    assert.ok(refused?.state === 'failed' && refused.evidence.includes('none of it may go'));
    await told([first]);
    evidence.tend();
    assert.deepEqual(gone(), [], 'it fits');
    await restart({ bytesMax: 19, ageMsMax: 10 * dayMs });
    evidence.tend();
    assert.deepEqual(gone(), [`${second} host-size`]);
    assert.ok(!existsSync(pathOf('r2-tap0.pcap')) && existsSync(pathOf('r1-tap0.pcap')));
    assert.equal(await asked({ item: second }), 'not-found');
    nowMs += 20 * dayMs;
    evidence.tend();
    assert.equal(gone().length, 1);
    await told([]);
    evidence.tend();
    assert.deepEqual(gone().at(-1), `${first} host-age`);
    assert.deepEqual(readdirSync(join(directory, 'evidence', 'packets')), []);
  });

  test('a word of the manager holds once, for this sentinel, and what it keeps it does not remove', async () => {
    const first = await captured('w1', 'one');
    const second = await captured('w2', 'two');
    assert.equal((await told([], [{ item: first, by: 'age' }], 'another')).ok, false);
    const remove = [first, second].map((item) => ({ item, by: 'size' as const }));
    const word = manager.retention({
      sentinel: 'host',
      issuedAt: new Date(nowMs).toISOString(),
      keep: [second],
      remove,
    });
    assert.deepEqual(await evidence.retain(word), { ok: true, value: 1 });
    assert.deepEqual(
      reports.filter(({ state }) => state === 'removed').map(({ id }) => id),
      [first],
    );
    const again = await evidence.retain(word);
    assert.ok(!again.ok && again.error.kind === 'refused');
    const stranger = new RecordingManager().retention({
      sentinel: 'host',
      issuedAt: '2099-01-01T00:00:00.000Z',
      keep: [],
      remove,
    });
    assert.equal((await evidence.retain(stranger)).ok, false);
    assert.equal(await asked({ item: second }), 'two');
  });
});
