// Answers to alarms: allowing, acting, agreeing to what a rule proposes; and never calling done what nobody saw done.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import type { Activity } from '../../model/observation.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
let detach: () => void;

before(async () => {
  trial = await startTrial();
  client = connect({ ...trial.manager, by: 'bob' });
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  detach = trial.manager.attachSentinel(sentinel);
  await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'web2')] });
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  for (const vm of ['web1', 'web2']) must(await client.addMember({ scope: 'shop', service: 'web', vm }));
  const rules = [{ on: 'any', minSeverity: 'serious', action: 'suspend', approval: 'approval' } as const];
  must(await client.setRules({ scope: 'shop', service: 'web', rules }));
  await deliver({
    observed: [{ vm: vmId(1), items: [observed(started(vmId(1), '/usr/bin/ls', ['ls']))] }],
    coverage: [{ vm: vmId(1), observedSeconds: 100, lossSeconds: 0, missed: 0 }],
  });
  must(await client.setMode({ scope: 'shop', mode: 'protect' }));
});
after(async () => await trial.end());

async function deliver(parts: Partial<SentinelBatch>): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

async function alarmFor(activity: Activity, group: string): Promise<string> {
  await deliver({ findings: [findingOf(activity, group)] });
  const { items } = must(await client.listAlarms({ vm: activity.vm, status: 'open' }));
  const alarm = items.find((candidate) => candidate.group === group);
  assert.ok(alarm);
  return alarm.id;
}

test('a preview shows what allowing admits and changes nothing', async () => {
  const alarm = await alarmFor(started(vmId(1), '/usr/bin/id', ['id', '-u']), 'id');
  const preview = must(await client.allowAlarm({ alarm, preview: true }));
  assert.match(preview.entries[0]?.admits ?? '', /\/usr\/sbin\/apache2 starts \/usr\/bin\/id as user 33: id -u/);
  assert.deepEqual(
    preview.members.map((member) => member.name),
    ['web1', 'web2'],
  );
  assert.equal(must(await client.getAlarm({ alarm })).alarm.status, 'open');
  assert.equal(must(await client.getManifest({ vm: 'web1' })).manifest.entries.length, 1);
});

test('allowing takes every kept activity into all manifests of the service, and settles other alarms it covers', async () => {
  const alarm = await alarmFor(started(vmId(1), '/usr/bin/id', ['id', '-u']), 'id');
  await deliver({ findings: [findingOf(started(vmId(1), '/usr/bin/id', ['id', '-g']), 'id')] });
  const covered = await alarmFor(started(vmId(2), '/usr/bin/id', ['id', '-u']), 'id');
  const other = await alarmFor(started(vmId(2), '/tmp/evil', ['evil']), 'evil');
  const allowed = must(await client.allowAlarm({ alarm }));
  assert.deepEqual(allowed.alsoAllowed, [covered]);
  for (const vm of ['web1', 'web2']) {
    const { manifest } = must(await client.getManifest({ vm }));
    const approved = manifest.entries.filter((entry) => entry.provenance.kind === 'approved');
    assert.equal(approved.length, 2);
    assert.ok(approved.every(({ provenance }) => provenance.by === 'bob' && provenance.alarm === alarm));
  }
  const state = async (id: string) => must(await client.getAlarm({ alarm: id })).alarm.status;
  assert.deepEqual([await state(alarm), await state(covered), await state(other)], ['allowed', 'allowed', 'open']);
  assert.equal(must(await client.getAlarm({ alarm })).settled?.by, 'bob');
});

test('what was allowed while its findings were on their way raises no alarm', async () => {
  await deliver({ findings: [findingOf(started(vmId(1), '/usr/bin/id', ['id', '-u'], 50), 'id')] });
  await deliver({ findings: [findingOf(started(vmId(2), '/usr/bin/id', ['id', '-g'], 50), 'id-g')] });
  const { items } = must(await client.listAlarms({ status: 'open' }));
  assert.deepEqual(
    items.map((alarm) => alarm.group),
    ['evil'],
  );
});

test('allowing for one member leaves the others as they were', async () => {
  const alarm = await alarmFor(started(vmId(1), '/usr/bin/uname', ['uname']), 'uname');
  const twin = await alarmFor(started(vmId(2), '/usr/bin/uname', ['uname']), 'uname');
  const allowed = must(await client.allowAlarm({ alarm, member: 'web1' }));
  assert.deepEqual(allowed.alsoAllowed, []);
  assert.equal(must(await client.getAlarm({ alarm: twin })).alarm.status, 'open');
  const exes = async (vm: string) =>
    must(await client.getManifest({ vm })).manifest.entries.map((entry) => entry.behaviour.exe);
  assert.ok((await exes('web1')).includes('/usr/bin/uname'));
  assert.ok(!(await exes('web2')).includes('/usr/bin/uname'));
  must(await client.closeAlarm({ alarm: twin }));
});

test('Plumbline itself cannot be allowed away', async () => {
  await deliver({ guard: [{ vm: vmId(1), at: at(5), what: 'manifest-rolled-back', detail: '' }] });
  const [alarm] = must(await client.listAlarms({ kind: 'guard' })).items;
  const refused = await client.allowAlarm({ alarm: alarm?.id ?? '' });
  assert.ok(!refused.ok && /no manifest can allow/.test(refused.error.message));
});

test('a rule that asks for consent waits on the alarm until a person responds', async () => {
  const [evil] = must(await client.listAlarms({ vm: 'web2', status: 'open' })).items;
  assert.ok(evil);
  const waiting = must(await client.getAlarm({ alarm: evil.id })).pending;
  assert.deepEqual(
    waiting.map(({ action, answeredBy }) => [action, answeredBy]),
    [['suspend', null]],
  );
  const remediation = must(await client.respondToAlarm({ alarm: evil.id, action: 'suspend' }));
  assert.equal(remediation.state, 'done');
  assert.equal(sentinel.orders.at(-1)?.by, 'bob');
  const detail = must(await client.getAlarm({ alarm: evil.id }));
  assert.equal(detail.pending[0]?.answeredBy, 'bob');
  assert.deepEqual(
    detail.remediations.map((one) => one.id),
    [remediation.id],
  );
  const audit = must(await client.listAudit({ subject: remediation.id })).items.map((entry) => entry.outcome);
  assert.ok(audit.includes('begun') && audit[0] === 'done', audit.join());
});

test('a refusal is failed, an unverified answer unconfirmed, and neither is done', async () => {
  const [evil] = must(await client.listAlarms({ vm: 'web2', status: 'open' })).items;
  const alarm = evil?.id ?? '';
  sentinel.answer('unconfirmed', 'still running');
  assert.equal(must(await client.respondToAlarm({ alarm, action: 'suspend' })).state, 'unconfirmed');
  sentinel.answer('executing', '');
  assert.equal(must(await client.respondToAlarm({ alarm, action: 'resume' })).state, 'unconfirmed');
  sentinel.answer('failed', 'QMP said no');
  assert.equal(must(await client.respondToAlarm({ alarm, action: 'snapshot' })).state, 'failed');
  const refused = await client.respondToAlarm({ alarm, action: 'alert' });
  assert.ok(!refused.ok && refused.error.kind === 'usage');
});

test('an order without its sentinel is refused at once, and said so in the audit log', async () => {
  detach();
  const [evil] = must(await client.listAlarms({ vm: 'web2', status: 'open' })).items;
  const refused = await client.respondToAlarm({ alarm: evil?.id ?? '', action: 'suspend' });
  assert.ok(!refused.ok && refused.error.kind === 'interrupted');
  const [last] = must(await client.listAudit({ limit: 1 })).items;
  assert.deepEqual([last?.verb, last?.outcome], ['remediation.start', 'failed']);
  detach = trial.manager.attachSentinel(sentinel);
});

test('what a sentinel did by standing order joins its alarm, whichever is reported first', async () => {
  const step = { id: 'p1', vm: vmId(1), action: 'suspend', why: 'w', expect: 'paused', undo: 'resume' } as const;
  const done = {
    id: 'p1',
    step,
    origin: 'standing-order',
    by: 'host1',
    alarm: null,
    group: 'early',
    state: 'done',
    evidence: 'paused',
    startedAt: at(3),
    endedAt: at(4),
  } as const;
  await deliver({ remediations: [done] });
  const early = await alarmFor(started(vmId(1), '/tmp/x', ['x']), 'early');
  assert.deepEqual(
    must(await client.getAlarm({ alarm: early })).remediations.map((one) => one.evidence),
    ['paused'],
  );
  const late = await alarmFor(started(vmId(1), '/tmp/y', ['y']), 'late');
  await deliver({ remediations: [{ ...done, id: 'p2', step: { ...step, id: 'p2' }, group: 'late' }] });
  assert.equal(must(await client.getAlarm({ alarm: late })).remediations.length, 1);
});

test('after a restart everything is as it was, and what was under way is unconfirmed', async () => {
  const before = must(await client.listAlarms());
  const manifest = must(await client.getManifest({ vm: 'web1' }));
  sentinel.fallSilent();
  const [evil] = must(await client.listAlarms({ vm: 'web2', status: 'open' })).items;
  const answer = client.respondToAlarm({ alarm: evil?.id ?? '', action: 'suspend' });
  await until(
    'the order is given',
    async () => must(await client.listRemediations({ state: 'executing' })).total === 1,
  );
  await trial.restart();
  await answer;
  client = connect({ ...trial.manager, by: 'bob' });
  assert.equal(must(await client.listAlarms()).total, before.total);
  assert.deepEqual(must(await client.getManifest({ vm: 'web1' })), manifest);
  const [newest] = must(await client.listRemediations({ state: 'unconfirmed' })).items;
  assert.match(newest?.evidence ?? '', /manager stopped/);
  const fresh = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(fresh);
  await until('a sentinel that lost everything is given everything', () => fresh.manifests.size === 2);
});
