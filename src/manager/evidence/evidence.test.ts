// From what a sentinel reports to a bundle that is checked offline, through a manager's own door: sentinels that lie, go away, or have
// nothing any more; what is kept and what goes; and a bundle in which a byte was changed.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import * as fc from 'fast-check';
import { connect, type Client } from '../../client/connect.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { EvidenceReport, KeptEvidence } from '../../model/evidence.ts';
import type { Remediation } from '../../model/remediation.ts';
import { readTrustList, type TrustedKeys } from '../../protocols/dsse/keys.ts';
import { at, findingOf, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, tellHonestly, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { chunkBytesMax, type SentinelBatch } from '../../wire/messages.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';
import { verifyBundle } from './verify-bundle.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-evidence-'));
const bundleFile = join(directory, 'bundle.tar');
let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
let detach: () => void;
let trusted: TrustedKeys;
let alarm = '';

before(async () => {
  trial = await startTrial();
  client = connect({ ...trial.manager, by: 'bob' });
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  detach = trial.manager.attachSentinel(sentinel);
  trusted = must(readTrustList(trial.manager.trust));
  await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'web2')] });
  await deliver({ findings: [findingOf(started(vmId(1), '/tmp/evil', ['evil']), 'evil')] });
  alarm = must(await client.listAlarms({ vm: 'web1' })).items[0]?.id ?? '';
  await deliver({ findings: [findingOf(started(vmId(2), '/tmp/small', ['small']), 'small')] });
  const small = remediation('small', 'done');
  await deliver({ remediations: [{ ...small, group: 'small', step: { ...small.step, vm: vmId(2) } }] });
  await deliver({
    remediations: [remediation('cut', 'failed'), remediation('keep', 'done'), remediation('dump', 'unconfirmed')],
  });
});
after(async () => {
  await trial.end();
  rmSync(directory, { recursive: true });
});
beforeEach(() => sentinel.tellOfEvidence(tellHonestly));

async function deliver(parts: Partial<SentinelBatch>): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

function remediation(id: string, state: Remediation['state']): Remediation {
  const [step] = planOf(['snapshot']).steps;
  assert.ok(step !== undefined);
  const whose = { origin: 'standing-order', by: 'rules', alarm: null, group: 'evil' } as const;
  return { ...whose, id, step: { ...step, id }, state, evidence: `read: ${state}`, startedAt: at(2), endedAt: at(3) };
}

let reports = 0;
/** Lies on the sentinel's disk, and was reported as such. */
function collected(bytes: Buffer, change: Partial<KeptEvidence> = {}): KeptEvidence {
  reports += 1;
  const id = reports.toString(16).padStart(32, '0');
  sentinel.files.set(id, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const name = `keep-${reports}.pcap`;
  const made = { sizeBytes: bytes.length, sha256, madeAt: at(4), note: '3 packets' };
  return { state: 'kept', id, kind: 'packets', vm: vmId(1), step: 'keep', name, ...made, ...change };
}

async function tell(...evidence: EvidenceReport[]): Promise<void> {
  await deliver({ evidence });
}

async function exported(subject = alarm): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of must(await client.downloadEvidence(subject))) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function verified(bytes: Buffer) {
  writeFileSync(bundleFile, bytes);
  return await verifyBundle(bundleFile, trusted);
}

/** How each of these was found, by what was reported of it. */
async function found(...items: KeptEvidence[]): Promise<string[]> {
  const bundle = must(await verified(await exported()));
  assert.deepEqual(bundle.faults, []);
  return items.map(({ sha256 }) => {
    const one = bundle.index.collected.find(({ item }) => item.sha256 === sha256);
    return one === undefined ? 'not told' : one.found;
  });
}

test('a bundle holds what is known and what was collected, and says whence', async () => {
  const bytes = Buffer.alloc(2 * chunkBytesMax + 777, 'packet');
  const small = collected(Buffer.from('tiny'));
  const large = collected(bytes, { kind: 'memory', step: 'dump' });
  await tell(small, large, {
    state: 'lost',
    id: 'f'.repeat(32),
    kind: 'packets',
    vm: vmId(1),
    step: 'cut',
    at: at(5),
    why: 'tcpdump ended\ud800',
  });
  const bundle = must(await verified(await exported()));
  assert.deepEqual(bundle.faults, []);
  assert.deepEqual(
    bundle.index.collected.map(({ item, found, readBytes }) => `${item.step} ${found} ${readBytes}`).toSorted(),
    ['cut lost 0', `dump whole ${bytes.length}`, 'keep whole 4'],
  );
  const names = bundle.index.members.map(({ name }) => name);
  for (const name of ['alarm', 'process-tree', 'plans', 'remediations', 'audit', 'vm'])
    assert.ok(names.includes(`documents/${name}.json`), name);
  assert.equal(names.filter((name) => name.startsWith('items/')).length, 2);
  const { timeline, snapshots, missing } = bundle.index;
  assert.deepEqual(
    timeline,
    timeline.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)),
  );
  const said = timeline.map(({ source, what }) => `${source}: ${what}`).join('\n');
  assert.match(said, /sentinel of host1: pid 500: \/tmp\/evil started by \/usr\/sbin\/apache2/);
  assert.match(said, /sentinel of host1: remediation cut: snapshot failed: read: failed/);
  assert.match(said, /sentinel of host1: remediation dump: snapshot unconfirmed: read: unconfirmed/);
  assert.match(said, /sentinel host1: packets of remediation cut lost \(\S+\): tcpdump ended\ufffd/);
  assert.match(said, /sentinel host1: memory of remediation dump collected as \S+: .* bytes, sha256 [0-9a-f]{64}/);
  assert.match(said, /audit log: sentinel host1: evidence.collected/);
  assert.equal(snapshots.length, 3);
  assert.match(missing.join('\n'), /packets \S+ of host1: lost: tcpdump ended/);
});

test('what is gone, differs, is another size, comes in another order or not at all is said, and the rest is there', async () => {
  const honest = collected(Buffer.alloc(chunkBytesMax + 5, 'h'));
  const gone = collected(Buffer.from('gone'));
  const changed = collected(Buffer.from('was so'));
  const shorter = collected(Buffer.from('was longer'));
  const mixed = collected(Buffer.alloc(2 * chunkBytesMax, 'm'));
  const broken = collected(Buffer.alloc(3 * chunkBytesMax, 'b'));
  const liar = collected(Buffer.from('a lie'), { sha256: '0'.repeat(64) });
  await tell(honest, gone, changed, shorter, mixed, broken, liar);
  sentinel.files.delete(gone.id);
  sentinel.files.set(changed.id, Buffer.from('is not'));
  sentinel.files.set(shorter.id, Buffer.from('short'));
  sentinel.tellOfEvidence((question, bytes) => {
    const { item, offset } = question;
    if (item === mixed.id) return tellHonestly({ ...question, offset: chunkBytesMax - offset }, bytes);
    if (item === broken.id && offset >= chunkBytesMax) return fail(problem('refused', 'Not today.'.repeat(9999)));
    return tellHonestly(question, bytes);
  });
  assert.deepEqual(await found(honest, gone, changed, shorter, mixed, broken, liar), [
    'whole',
    'gone',
    'differs',
    'differs',
    'differs',
    'cut-short',
    'differs',
  ]);
});

test('a piece of another offset, item or size is never taken for the one that was asked for', async () => {
  const item = collected(Buffer.alloc(chunkBytesMax + 100, 'x'));
  await tell(item);
  const answers = fc.record({
    item: fc.constantFrom(item.id, 'e'.repeat(32), '../../etc/passwd'),
    offset: fc.constantFrom(0, 1, chunkBytesMax, -1),
    sizeBytes: fc.constantFrom(item.sizeBytes, item.sizeBytes - 1, 0),
    data: fc.constantFrom('AAAA', '', Buffer.alloc(chunkBytesMax, 'x').toString('base64'), 'no base64 \0'),
  });
  const check = fc.asyncProperty(answers, async (answer) => {
    sentinel.tellOfEvidence((question, bytes) =>
      question.item === item.id && question.offset > 0 ? ok(answer) : tellHonestly(question, bytes),
    );
    assert.deepEqual(await found(item), ['cut-short']);
  });
  await fc.assert(check, { numRuns: 5 });
});

test('a sentinel that is away leaves a bundle that says so, and one that comes back in time does not', async () => {
  const item = collected(Buffer.alloc(chunkBytesMax + 100, 'y'));
  await tell(item);
  let asked = 0;
  sentinel.tellOfEvidence((question, bytes) => {
    if (question.item !== item.id) return tellHonestly(question, bytes);
    asked += 1;
    return asked === 2 ? fail(problem('interrupted', 'Just now not.')) : tellHonestly(question, bytes);
  });
  assert.deepEqual(await found(item), ['whole']);
  assert.equal(asked, 3);
  detach();
  const bundle = must(await verified(await exported()));
  detach = trial.manager.attachSentinel(sentinel);
  const said = bundle.index.missing.filter((one) => /is not connected|did not answer before/.test(one));
  assert.equal(said.length, bundle.index.collected.filter(({ found }) => found === 'unreachable').length);
  assert.ok(said.length > 3 && bundle.faults.length === 0);
});

test('an export that nobody reads to its end is told as such', async () => {
  // More than the line takes up by itself.
  const item = collected(Buffer.alloc(24 * chunkBytesMax, 'p'));
  await tell(item);
  for await (const piece of must(await client.downloadEvidence(alarm))) if (piece.length > 0) break;
  const last = async () =>
    must(await client.listAudit({ limit: 5 })).items.find(({ verb }) => verb === 'evidence.export');
  await until('it was broken off', async () => (await last())?.outcome === 'failed');
  sentinel.files.delete(item.id);
});

test('so many bundles are made at a time, and the next one when one is done', async () => {
  const item = collected(Buffer.alloc(24 * chunkBytesMax, 'q'));
  await tell(item);
  const streams = [];
  for (let n = 0; n < 2; n += 1) streams.push(must(await client.downloadEvidence(alarm))[Symbol.asyncIterator]());
  const third = await client.downloadEvidence(alarm);
  assert.ok(!third.ok && third.error.kind === 'interrupted');
  for (const stream of streams) {
    await stream.next();
    await stream.return?.();
  }
  await until('there is room again', async () => {
    const again = await client.downloadEvidence('no-such-alarm');
    return !again.ok && again.error.kind === 'not-found';
  });
  sentinel.files.delete(item.id);
});

test('a changed byte anywhere is told, with the member it belongs to', async () => {
  const small = must(await client.listAlarms({ vm: 'web2' })).items[0]?.id;
  const two = { vm: vmId(2), step: 'small' };
  await tell(collected(Buffer.from('short'), two), collected(Buffer.alloc(1500, 'z'), { ...two, kind: 'memory' }));
  const bytes = await exported(small);
  const whole = must(await verified(bytes));
  const ends: { name: string; end: number }[] = [];
  let end = 0;
  for (const { name, sizeBytes } of whole.index.members) {
    end += 512 + Math.ceil(sizeBytes / 512) * 512;
    ends.push({ name, end });
  }
  const places = fc.oneof(
    fc.integer({ min: 0, max: bytes.length - 1 }),
    // Headers and padding are few among so many bytes of content.
    fc
      .tuple(fc.constantFrom(0, ...ends.map((member) => member.end)), fc.integer({ min: -40, max: 600 }))
      .map(([a, b]) => a + b),
    fc.integer({ min: end - 40, max: bytes.length - 1 }),
  );
  const check = fc.asyncProperty(places, fc.integer({ min: 1, max: 255 }), async (place, flip) => {
    const at = Math.max(0, Math.min(bytes.length - 1, place));
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ flip;
    const owner = ends.find((member) => at < member.end)?.name;
    const result = await verified(changed);
    const said = result.ok ? result.value.faults.map(({ member }) => member) : [result.error.message];
    assert.ok(said.length > 0, `byte ${at} of ${owner ?? 'the index'}`);
    if (owner === undefined) assert.match(said.join(), /index\.json|end of the archive/);
    else assert.deepEqual([...new Set(said)], [owner]);
  });
  await fc.assert(check, { numRuns: 120 });
});

test('a bundle that was cut, added to, or signed by somebody else is no bundle', async () => {
  const bytes = await exported();
  for (const size of [0, 512, 1000, bytes.length - 3000])
    assert.equal((await verified(bytes.subarray(0, size))).ok, false);
  for (const changed of [
    bytes.subarray(0, -512),
    Buffer.concat([bytes, Buffer.alloc(512)]),
    Buffer.concat([bytes, Buffer.from('x')]),
  ])
    assert.deepEqual(
      must(await verified(changed)).faults.map(({ member }) => member),
      ['end of the archive'],
    );
  const doubled = must(await verified(Buffer.concat([bytes, bytes])));
  assert.ok(doubled.faults.some(({ member }) => member === 'index.json'));
  const stranger = await verifyBundle(bundleFile, new Map());
  assert.ok(!stranger.ok && stranger.error.kind === 'refused' && stranger.error.message.includes('index.json'));
});

test('a sentinel cannot attach what it likes to what it likes, nor say it anew', async () => {
  const other = collected(Buffer.from('of another VM'), { vm: vmId(2) });
  const mine = collected(Buffer.from('mine'));
  await tell(other, mine);
  assert.deepEqual(await found(other), ['not told']);
  await tell({ ...mine, sha256: '1'.repeat(64), sizeBytes: 3 });
  assert.deepEqual(await found(mine), ['whole']);
  const { items } = must(await client.listAudit({ limit: 50 }));
  assert.ok(items.some(({ verb }) => verb === 'evidence.refused'));
});

test('names that lead elsewhere are refused with the batch they stand in', async () => {
  const good = collected(Buffer.from('n'));
  const wrong = [
    { name: '../etc/passwd' },
    { name: '/etc/passwd' },
    { name: 'a/b' },
    { name: '' },
    { name: 'a\0b' },
    { name: '.hidden' },
    { id: '../../x' },
    { sha256: 'short' },
    { sizeBytes: -1 },
    { sizeBytes: 1e300 },
    { madeAt: 'yesterday' },
  ];
  for (const change of wrong) {
    const batch = sentinel.batch({ evidence: [{ ...good, ...change }] });
    assert.equal((await trial.manager.end.deliver(batch)).ok, false, JSON.stringify(change));
  }
});

test('evidence is found by alarm, VM and its own id, and a plan that is not there is said', async () => {
  const of = async (reference: string) => must(await client.listEvidence({ of: reference })).items;
  const [first] = await of(alarm);
  assert.ok(first !== undefined && first.alarm === alarm);
  assert.deepEqual(await of(alarm.slice(0, 6)), await of(alarm));
  assert.deepEqual(
    (await of(first.id)).map(({ id }) => id),
    [first.id],
  );
  assert.equal((await of('web2')).length, 3);
  const preview = must(await client.getEvidenceIndex({ subject: alarm }));
  assert.ok(preview.collected.some(({ found }) => found === 'not-read') && preview.members.length === 0);
  for (const reference of ['nothing', '../..', 'web1']) {
    const answer = await client.downloadEvidence(reference);
    assert.ok(!answer.ok && answer.error.kind === 'not-found', reference);
  }
});

test('what an open alarm needs or a person holds is kept; what was removed is told with the reason', async () => {
  const word = () => sentinel.retentions.at(-1);
  const told = sentinel.retentions.length;
  const item = collected(Buffer.from('kept'), { step: 'nobody-knows' });
  const needed = collected(Buffer.from('needed'));
  await tell(item, needed);
  const { items } = must(await client.listEvidence({ of: 'web1' }));
  const id = items.find(({ sha256 }) => sha256 === item.sha256)?.id ?? '';
  assert.equal(items.find(({ sha256 }) => sha256 === needed.sha256)?.keptFor, `alarm ${alarm} is open`);
  assert.deepEqual(must(await client.holdEvidence({ subject: id.slice(0, 10) })).subject, id);
  await until(
    'both are to be kept',
    () => word()?.keep.includes(item.id) === true && word()?.keep.includes(needed.id) === true,
  );
  assert.ok(sentinel.retentions.length > told && word()?.sentinel === 'host1');
  must(await client.unholdEvidence({ subject: id }));
  await until('it may go', () => word()?.keep.includes(item.id) === false);
  must(await client.closeAlarm({ alarm }));
  await until('it may go', () => word()?.keep.includes(needed.id) === false);
  await tell({ state: 'removed', id: needed.id, at: at(60), by: 'host-size' });
  const bundle = must(await verified(await exported()));
  assert.match(
    bundle.index.missing.join('\n'),
    /removed: removed at 2026-11-21T21:01:00.000Z by retention: its host's limit/,
  );
  assert.match(bundle.index.timeline.map(({ what }) => what).join('\n'), /packets \S+ removed by retention/);
  const audited = must(await client.listAudit({ limit: 20 })).items.map(({ verb }) => verb);
  for (const verb of ['evidence.hold', 'evidence.unhold', 'evidence.removed', 'evidence.export'])
    assert.ok(audited.includes(verb), verb);
});
