// Scopes, members and modes through the API: who belongs where, what is frozen, what is refused, and what reaches the sentinel.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import { at, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;

before(async () => {
  trial = await startTrial();
  client = connect({ ...trial.manager, by: 'alice' });
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(sentinel);
});
after(async () => await trial.end());

async function deliver(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

async function problemOf(answer: Promise<{ ok: boolean; error?: { kind: string; message: string; mend?: string } }>) {
  const { ok, error } = await answer;
  assert.ok(!ok && error !== undefined, 'it was not refused');
  return error;
}

const full = { observedSeconds: 600, lossSeconds: 1, missed: 0 };

test('a member may be named before its VM exists, and joins when it appears', async () => {
  must(await client.createScope({ name: 'shop', description: 'the web shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  assert.deepEqual(must(await client.addMember({ scope: 'shop', service: 'web', vm: 'web1' })).awaited, ['web1']);
  await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'db1')] });
  const scope = must(await client.getScope({ scope: 'shop' }));
  assert.deepEqual(scope.services[0]?.members, [{ vm: vmId(1), name: 'web1' }]);
  await until('a capture manifest is installed', () => sentinel.manifests.get(vmId(1))?.mode === 'capture');
});

test('a VM belongs to one service only', async () => {
  must(await client.createService({ scope: 'shop', name: 'db' }));
  const error = await problemOf(client.addMember({ scope: 'shop', service: 'db', vm: vmId(1) }));
  assert.match(error.message, /already belongs to shop\/web/);
  must(await client.addMember({ scope: 'shop', service: 'db', vm: '1002' }));
  assert.equal(must(await client.getVm({ vm: 'db1' })).service, 'db');
});

test('two VMs of one name are asked about, not guessed; a pid that is none is refused', async () => {
  await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'db1'), runningVm(3, 'twin'), runningVm(4, 'twin')] });
  const error = await problemOf(client.addMember({ scope: 'shop', service: 'web', vm: 'twin' }));
  assert.match(error.message, /2 VMs are called twin/);
  assert.match(error.message, new RegExp(vmId(3)));
  assert.equal((await problemOf(client.addMember({ scope: 'shop', service: 'web', vm: '77' }))).kind, 'not-found');
});

test('an empty capture is refused, and so is a lossy one unless forced', async () => {
  const empty = await problemOf(client.setMode({ scope: 'shop', mode: 'detect', force: true }));
  assert.match(empty.message, /Nothing was learned of shop/);
  const items = [observed(started(vmId(1), '/usr/bin/ls', ['ls', '-l']), 3)];
  const dbItems = [observed(started(vmId(2), '/usr/bin/psql', ['psql']))];
  await deliver({
    observed: [
      { vm: vmId(1), items },
      { vm: vmId(2), items: dbItems },
    ],
    coverage: [
      { vm: vmId(1), ...full, lossSeconds: 300 },
      { vm: vmId(2), ...full },
    ],
  });
  const lossy = await problemOf(client.setMode({ scope: 'shop', mode: 'detect' }));
  assert.match(lossy.message, /shop\/web is lossy: 5 min of 10 min/);
  assert.equal(must(await client.getScope({ scope: 'shop' })).mode, 'capture');
  const learning = must(await client.learning({ scope: 'shop' }));
  const web = learning.services.find((service) => service.service === 'web');
  assert.equal(web?.entries.process, 1);
  assert.equal(web?.curve[0]?.newBehaviours, 1);
});

test('detect freezes what was learned into signed manifests, and learns no more', async () => {
  const change = must(await client.setMode({ scope: 'shop', mode: 'detect', force: true }));
  assert.deepEqual(
    change.services.map((service) => service.issued.length),
    [1, 1],
  );
  await until('the manifest is installed', () => sentinel.manifests.get(vmId(1))?.mode === 'detect');
  const reading = must(await client.getManifest({ vm: 'web1' }));
  assert.ok(reading.verified);
  assert.deepEqual(reading.manifest, sentinel.manifests.get(vmId(1)));
  assert.deepEqual(
    reading.manifest.entries.map((entry) => [entry.behaviour.exe, entry.provenance.kind]),
    [['/usr/bin/ls', 'learned']],
  );
  await deliver({ observed: [{ vm: vmId(1), items: [observed(started(vmId(1), '/tmp/evil', ['evil']))] }] });
  assert.equal(
    must(await client.learning({ scope: 'shop' })).services.find((one) => one.service === 'web')?.entries.process,
    1,
  );
  const diff = must(await client.diffManifest({ vm: 'web1' }));
  assert.deepEqual([diff.added.length, diff.removed.length], [1, 0]);
});

test('rules travel in new manifests; only protect and automatic ones are standing orders', async () => {
  const rules = [
    { on: 'any', minSeverity: 'critical', action: 'suspend', approval: 'automatic' },
    { on: 'any', minSeverity: 'serious', action: 'power-off', approval: 'approval' },
  ] as const;
  must(await client.setRules({ scope: 'shop', service: 'web', rules: [...rules] }));
  await until('rules changed', async () => must(await client.getManifest({ vm: 'web1' })).manifest.generation === 3);
  assert.deepEqual(must(await client.getManifest({ vm: 'web1' })).manifest.orders, []);
  must(await client.setMode({ scope: 'shop', mode: 'protect' }));
  await until('protect is installed', () => sentinel.manifests.get(vmId(1))?.mode === 'protect');
  assert.deepEqual(sentinel.manifests.get(vmId(1))?.orders, [rules[0]]);
});

test('a renamed VM keeps its place; a new VM of the old name inherits nothing', async () => {
  await deliver({ vms: [runningVm(1, 'web-old'), runningVm(2, 'db1'), runningVm(9, 'web1')] });
  const scope = must(await client.getScope({ scope: 'shop' }));
  const web = scope.services.find((service) => service.name === 'web');
  assert.deepEqual(web?.members, [{ vm: vmId(1), name: 'web-old' }]);
  assert.equal(must(await client.getVm({ vm: 'web1' })).scope, null);
});

test('a second claimant of an identity is no member and cannot become one', async () => {
  const doubled = runningVm(2, 'db1', { id: `${vmId(2)}#4711`, pid: 4711 });
  await deliver({ vms: [runningVm(1, 'web-old'), runningVm(2, 'db1'), doubled] });
  assert.equal(must(await client.getVm({ vm: '4711' })).scope, null);
  // Not even a place that waits for its name is taken by one.
  must(await client.addMember({ scope: 'shop', service: 'web', vm: 'ghost' }));
  const ghost = runningVm(5, 'ghost', { id: `${vmId(5)}#99`, pid: 99 });
  await deliver({ vms: [runningVm(1, 'web-old'), runningVm(2, 'db1'), doubled, ghost] });
  assert.equal(must(await client.getVm({ vm: '99' })).scope, null);
  const error = await problemOf(client.addMember({ scope: 'shop', service: 'web', vm: '4711' }));
  assert.match(error.message, /claims the identity of another running VM/);
});

test('a VM that leaves gets a signed withdrawal of a higher generation', async () => {
  const before = must(await client.listGenerations({ vm: vmId(2) }))[0]?.generation ?? 0;
  must(await client.removeMember({ scope: 'shop', service: 'db', vm: vmId(2) }));
  await until('it is withdrawn', () => sentinel.manifests.get(vmId(2)) === null);
  const [newest] = must(await client.listGenerations({ vm: vmId(2) }));
  assert.equal(newest?.kind, 'withdrawal');
  assert.equal(newest.generation, before + 1);
});

test('a sentinel that cannot install is asked again until it can', async () => {
  sentinel.failWith({ kind: 'failed', message: 'Its disk is full.' });
  must(await client.setMode({ scope: 'shop', mode: 'detect' }));
  await until(
    'the reason is shown',
    async () => must(await client.getVm({ vm: vmId(1) })).delivery?.why === 'Its disk is full.',
  );
  sentinel.failWith(null);
  await until('it is installed', async () => must(await client.getVm({ vm: vmId(1) })).delivery?.state === 'installed');
});

test('everything that was done, and refused, is in the audit log with who did it', async () => {
  const audit = must(await client.listAudit({ limit: 500 }));
  const find = (verb: string, outcome: string) =>
    audit.items.find((entry) => entry.verb === verb && entry.outcome === outcome);
  assert.equal(find('scope.create', 'done')?.by, 'alice');
  assert.match(find('mode.set', 'failed')?.detail ?? '', /Nothing was learned|lossy/);
  assert.match(find('manifest.issue', 'done')?.detail ?? '', /generation/);
  assert.equal(find('manifest.install', 'done')?.by, 'sentinel host1');
});
