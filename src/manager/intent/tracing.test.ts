// Traced services through the API: how sight and inline rules reach the sentinel, what tampering becomes, and how a held attempt
// is answered.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Rule } from '../../model/rule.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
const web = { scope: 'shop', service: 'web' };
const block: Rule = { on: 'process', minSeverity: 'serious', action: 'block', approval: 'automatic' };
const onTampering: Rule = { on: 'tampering', minSeverity: 'critical', action: 'suspend', approval: 'approval' };

before(async () => {
  trial = await startTrial();
  client = connect({ ...trial.manager, by: 'alice' });
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(sentinel);
  await deliver({ vms: [runningVm(1, 'web1')] });
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  must(await client.addMember({ ...web, vm: 'web1' }));
});
after(async () => await trial.end());

async function deliver(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

const held = (): Manifest | null | undefined => sentinel.manifests.get(vmId(1));

test('a service that is traced says so in its manifests, and in no others', async () => {
  await until('a manifest', () => held() != null);
  assert.equal(held()?.sight, undefined);
  assert.equal(must(await client.changeService({ ...web, sight: 'traced' })).sight, 'traced');
  await until('traced', () => held()?.sight === 'traced');
  const declaration = { scopes: [{ name: 'shop', services: [{ name: 'web', sight: 'sweeps' as const }] }] };
  const { changes } = must(await client.apply({ declaration }));
  assert.deepEqual(changes, [{ verb: 'changed', subject: 'sight of shop/web', detail: 'traced -> sweeps' }]);
  assert.deepEqual(must(await client.apply({ declaration })).changes, []);
  await until('swept', () => held()?.sight === undefined);
});

test('a rule that could never be carried out is refused', async () => {
  const faults: readonly Rule[] = [
    { ...block, approval: 'approval' },
    { ...block, on: 'inbound' },
    { ...block, on: 'tampering', action: 'kill' },
  ];
  for (const rule of faults) {
    const set = await client.setRules({ ...web, rules: [rule] });
    assert.ok(!set.ok && set.error.kind === 'usage', JSON.stringify(rule));
  }
});

test('what is to be refused inline has its VM traced, in protect and only there', async () => {
  must(await client.setRules({ ...web, rules: [block, onTampering] }));
  await deliver({
    observed: [{ vm: vmId(1), items: [observed(started(vmId(1), '/usr/sbin/httpd', ['httpd'], 1), 3)] }],
    coverage: [{ vm: vmId(1), observedSeconds: 600, lossSeconds: 0, missed: 0 }],
  });
  must(await client.setMode({ scope: 'shop', mode: 'detect' }));
  await until('detect', () => held()?.mode === 'detect');
  assert.deepEqual([held()?.sight, held()?.orders], [undefined, []]);
  must(await client.setMode({ scope: 'shop', mode: 'protect' }));
  await until('protect', () => held()?.mode === 'protect');
  assert.deepEqual([held()?.sight, held()?.orders], ['traced', [block]]);
});

test('two tamperings are two alarms, each counted, with the answer a rule proposes', async () => {
  const event: GuardEvent = { vm: vmId(1), at: at(5), what: 'kernel-tampered', subject: 'a', detail: 'tcp4_seq_show' };
  await deliver({ guard: [event, { ...event, subject: 'b', detail: 'sys_call_table' }, event] });
  const { items } = must(await client.listAlarms({ kind: 'guard' }));
  const told = items.map(({ title, count, severity }) => `${title} ${count} ${severity}`).toSorted();
  assert.deepEqual(told, [
    'Its kernel was tampered with: sys_call_table 1 critical',
    'Its kernel was tampered with: tcp4_seq_show 2 critical',
  ]);
  const detail = must(await client.getAlarm({ alarm: items[0]?.id ?? '' }));
  assert.deepEqual(
    detail.pending.map(({ action }) => action),
    ['suspend'],
  );
});

test('a held attempt is shown, and released by a signed order that stands on its alarm', async () => {
  const nothing = await client.releaseVm({ vm: 'web1', answer: 'allow' });
  assert.ok(!nothing.ok && nothing.error.kind === 'refused');
  const finding = findingOf(started(vmId(1), '/tmp/evil', ['evil'], 9), 'group-held');
  const attempt = { what: 'evil', group: 'group-held', since: at(9), until: at(69) };
  await deliver({ vms: [{ ...runningVm(1, 'web1'), state: 'paused', held: attempt }], findings: [finding] });
  assert.deepEqual(must(await client.getVm({ vm: 'web1' })).held, attempt);
  const released = must(await client.releaseVm({ vm: 'web1', answer: 'block' }));
  assert.equal(released.state, 'done');
  const order = sentinel.orders.at(-1);
  assert.deepEqual([order?.step.action, order?.step.answer, order?.by], ['release', 'block', 'alice']);
  const [alarm] = must(await client.listAlarms({ kind: 'deviation' })).items;
  assert.deepEqual(alarm?.remediations, [released.id]);
});
