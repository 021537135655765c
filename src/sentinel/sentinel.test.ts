// The whole sentinel over simulated guests: what it reports, what it does alone, what it remembers over restarts and restores.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../kit/log.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Step, Remediation } from '../model/remediation.ts';
import type { ResponsePolicy } from '../model/response-policy.ts';
import type { Rule } from '../model/rule.ts';
import { RecordingManager } from '../sim/recording-manager.ts';
import type { SimulatedGuest } from '../sim/simulated-guest.ts';
import { SimulatedHost } from '../sim/simulated-host.ts';
import { simulatedManifest } from '../sim/simulated-manifest.ts';
import { startSentinel, type Sentinel } from './main.ts';
import type { SentinelOptions } from './sentinel-options.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
const init = { exe: '/sbin/init', argv: ['/sbin/init'] };
const evil = { exe: '/tmp/evil', argv: ['/tmp/evil', '--now'] };
const suspendAnything: Rule = { on: 'any', minSeverity: 'info', action: 'suspend', approval: 'automatic' };
const keepAnything: Rule = { ...suspendAnything, action: 'snapshot' };

async function until(what: string, holds: () => boolean, withinMs = 5000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms: ${what}`);
    await wait(5);
  }
}

suite('sentinel', () => {
  let dir = '';
  let host: SimulatedHost;
  let manager: RecordingManager;
  let sentinel: Sentinel | null = null;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'plumbline-s-'));
    host = new SimulatedHost(clock, (ms) => wait(ms));
    manager = new RecordingManager();
  });
  afterEach(async () => {
    await sentinel?.close();
    sentinel = null;
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(options: Partial<SentinelOptions> = {}): Promise<Sentinel> {
    const started = await startSentinel({
      name: 'host',
      stateDir: dir,
      trusted: manager.trusted,
      manager,
      clock,
      log: silentLog,
      source: host,
      ...options,
    });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    sentinel = started.value;
    return sentinel;
  }

  async function restart(options: Partial<SentinelOptions> = {}): Promise<Sentinel> {
    await sentinel?.close();
    return start(options);
  }

  let generation = 0;
  async function install(
    vm: string,
    mode: Manifest['mode'],
    orders: readonly Rule[] = [],
    response: ResponsePolicy = {},
  ): Promise<void> {
    generation += 1;
    const manifest = simulatedManifest(init, { vm, mode, generation, orders: [...orders], response });
    const installed = await sentinel?.end.install(manager.manifest(manifest));
    assert.deepEqual(installed, { ok: true, value: generation });
  }

  const attached = (vm: string): Promise<void> =>
    until(
      `${vm} attached`,
      () => sentinel?.health().vms.some((it) => it.vm.id === vm && it.vm.state === 'running') === true,
    );
  const ended = (): Remediation[] => manager.told('remediations').filter((it) => it.state !== 'executing');
  const answers = (): string[] => ended().map((it) => `${it.step.action} ${it.state}`);
  const restored = async (guest: SimulatedGuest): Promise<void> => {
    guest.loadSnapshot('clean');
    await until('attached again', () => manager.told('guard').some((event) => event.what === 'guest-went-back'));
  };

  test('capture reports what runs and what starts, repetitions counted, and how long it watched', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'capture');
    for (let i = 0; i < 3; i += 1) {
      const pid = guest.spawn({ exe: '/bin/job', argv: ['job'] });
      await wait(60);
      guest.exit(pid);
      await wait(30);
    }
    const items = (): { exe: string | null; count: number }[] =>
      manager
        .told('observed')
        .flatMap(({ vm, items }) => items.map(({ activity, count }) => ({ exe: activity.image?.exe ?? vm, count })));
    const counted = (exe: string): number =>
      items()
        .filter((it) => it.exe === exe)
        .reduce((sum, it) => sum + it.count, 0);
    await until('three jobs', () => counted('/bin/job') === 3);
    assert.equal(counted('/sbin/init'), 1);
    await until('coverage', () => manager.told('coverage').some((it) => it.observedSeconds > 0), 8000);
    assert.equal(manager.told('findings').length, 0);
  });

  test('detect tells a deviation within moments and acts on nothing', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'detect', [suspendAnything]);
    await wait(100);
    guest.spawn(evil);
    const plantedMs = performance.now();
    await until('a finding', () => manager.told('findings').length > 0);
    assert.ok(performance.now() - plantedMs < 500);
    const [finding] = manager.told('findings');
    assert.equal(finding?.deviation.activity.image?.exe, '/tmp/evil');
    await wait(200);
    assert.equal(guest.paused, false);
    assert.deepEqual(manager.told('remediations'), []);
  });

  test('protect answers alone while the manager is away, and tells it afterwards, once', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'protect', [suspendAnything, keepAnything]);
    await wait(100);
    manager.away = true;
    guest.spawn(evil);
    await until('suspended', () => guest.paused);
    await restart();
    manager.away = false;
    await until('told', () => answers().length >= 2, 10_000);
    assert.deepEqual(answers(), ['snapshot done', 'suspend done']);
    assert.match(ended()[1]?.evidence ?? '', /paused/);
    assert.ok(manager.told('findings').length >= 1);
    const seqs = manager.batches.map((batch) => batch.seq);
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => a - b),
    );
  });

  test('one cause is answered once in a life of the VM, and again after it was put back', async () => {
    const guest = host.add('web', uuid(1));
    guest.saveSnapshot('clean');
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'protect', [suspendAnything]);
    await wait(100);
    guest.spawn(evil);
    await until('suspended', () => guest.paused);
    guest.setPaused(false);
    guest.spawn(evil);
    await wait(300);
    assert.equal(guest.paused, false, 'a person resumed it; the same cause does not stop it again');
    await restart();
    await wait(300);
    assert.equal(guest.paused, false, 'nor does a restart of the sentinel');
    await restored(guest);
    guest.spawn(evil);
    await until('suspended again', () => guest.paused);
    await until('told', () => answers().length === 2);
    assert.notEqual(ended()[0]?.id, ended()[1]?.id);
  });

  test('the last running member of a service waits for a person', async () => {
    const one = host.add('web1', uuid(1));
    const two = host.add('web2', uuid(2));
    await start();
    await Promise.all([attached(uuid(1)), attached(uuid(2))]);
    await install(uuid(1), 'protect', [suspendAnything]);
    await install(uuid(2), 'protect', [suspendAnything]);
    await wait(100);
    one.spawn(evil);
    await until('the first is suspended', () => one.paused);
    two.spawn(evil);
    await until('the second is held', () => answers().includes('suspend planned'));
    assert.match(ended().at(-1)?.evidence ?? '', /last running member of shop\/web/);
    assert.equal(two.paused, false);
  });

  test('standing orders stop no more VMs of a service than its policy lets them', async () => {
    const guests = [1, 2, 3].map((n) => host.add(`web${n}`, uuid(n)));
    await start();
    for (const n of [1, 2, 3]) {
      await attached(uuid(n));
      await install(uuid(n), 'protect', [suspendAnything], { limits: { service: 1 } });
    }
    await wait(100);
    for (const guest of guests) guest.spawn(evil);
    await until('all answered', () => answers().length === 3);
    assert.deepEqual(answers().toSorted(), ['suspend done', 'suspend planned', 'suspend planned']);
    assert.equal(guests.filter((guest) => guest.paused).length, 1);
  });

  test('what ends a VM keeps evidence first, where its disk can hold any', async () => {
    const kept = host.add('web1', uuid(1));
    const raw = host.add('web2', uuid(2));
    host.add('web3', uuid(3));
    raw.diskFormat = null;
    await start();
    const powerOff: Rule = { ...suspendAnything, action: 'power-off' };
    for (const n of [1, 2, 3]) {
      await attached(uuid(n));
      await install(uuid(n), 'protect', [powerOff]);
    }
    await wait(100);
    kept.spawn(evil);
    await until('the first has ended', () => answers().includes('power-off done'));
    assert.deepEqual(answers(), ['snapshot done', 'power-off done']);
    assert.equal(kept.snapshots.length, 1);
    assert.equal(new Set(ended().map(({ plan }) => plan)).size, 1, 'one plan');
    raw.spawn(evil);
    await until('the second has ended', () => answers().length === 3);
    assert.deepEqual([answers().at(-1), raw.alive], ['power-off done', false]);
  });

  test('a dry run is told and not done', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'protect', [suspendAnything], { dryRun: true });
    await wait(100);
    guest.spawn(evil);
    await until('told', () => answers().length === 1);
    assert.deepEqual([answers(), guest.paused], [['suspend planned'], false]);
    assert.match(ended()[0]?.evidence ?? '', /^dry run/);
  });

  test('an action that QEMU accepts and does not do is unconfirmed, never done', async () => {
    const guest = host.add('web', uuid(1));
    guest.idleCommands.add('stop');
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'protect', [suspendAnything]);
    guest.spawn(evil);
    await until('answered', () => answers().length > 0, 10_000);
    assert.deepEqual(answers(), ['suspend unconfirmed']);
  });

  test('a second VM with the same identity is told and inherits nothing, not even when the first has gone', async () => {
    const first = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'capture');
    const copy = host.add('web-copy', uuid(1));
    await until('told', () => manager.told('guard').some((event) => event.what === 'identity-doubled'));
    first.end();
    await wait(2500);
    const ids = sentinel?.health().vms.map((it) => `${it.vm.id} ${it.vm.state} ${it.mode}`) ?? [];
    assert.deepEqual(ids, [`${uuid(1)}#${copy.pid} running null`, `${uuid(1)} gone capture`]);
    await restart();
    await attached(`${uuid(1)}#${copy.pid}`);
  });

  test('a watched VM that runs and cannot be looked into is told once; a paused one is just paused', async () => {
    const blind = host.add('blind', uuid(1));
    const still = host.add('still', uuid(2));
    blind.unreadable = 'Its memory is encrypted.';
    still.paused = true;
    await start({ lostSightMs: 300 });
    await install(uuid(1), 'detect');
    await install(uuid(2), 'detect');
    await until('told', () => manager.told('guard').length > 0, 8000);
    await wait(1000);
    assert.deepEqual(
      manager.told('guard').map(({ vm, what }) => `${vm} ${what}`),
      [`${uuid(1)} lost-sight`],
    );
    const states = sentinel?.health().vms.map((it) => it.vm.state);
    assert.deepEqual(states, ['unreadable', 'paused']);
    blind.unreadable = null;
    await attached(uuid(1));
    await until(
      'the blind time is a loss',
      () => manager.told('coverage').some((it) => it.vm === uuid(1) && it.lossSeconds > 0.3),
      8000,
    );
  });

  test('the manifest holds for a VM that was powered off and started again', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'detect');
    guest.end();
    await until('gone', () => sentinel?.health().vms.every((it) => it.vm.state === 'gone') === true);
    host.add('web', uuid(1)).spawn(evil);
    await until('its first look is judged', () => manager.told('findings').length > 0);
    assert.equal(manager.told('findings')[0]?.deviation.activity.image?.exe, '/tmp/evil');
  });

  test('a reboot is no going back, and what runs after it is judged', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'detect');
    await wait(100);
    guest.reboot();
    guest.spawn(evil);
    await until('a finding', () => manager.told('findings').length > 0);
    assert.deepEqual(manager.told('guard'), []);
  });

  test('a withdrawn VM is no longer watched', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    await install(uuid(1), 'detect');
    generation += 1;
    const withdrawal = { vm: uuid(1), generation, issuedAt: new Date().toISOString() };
    assert.ok((await sentinel?.end.install(manager.withdrawal(withdrawal)))?.ok);
    guest.spawn(evil);
    await wait(400);
    assert.deepEqual(manager.told('findings'), []);
    await restart();
    await wait(400);
    assert.deepEqual(manager.told('findings'), []);
  });

  function orderOf(step: Partial<Step>, expiresInMs = 60_000) {
    const now = Date.now();
    return manager.order({
      step: { id: 'p1', vm: uuid(1), action: 'suspend', why: 'asked', expect: 'paused', undo: 'resume', ...step },
      by: 'ann',
      alarm: 'a1',
      issuedAt: new Date(now).toISOString(),
      expiresAt: new Date(now + expiresInMs).toISOString(),
    });
  }

  test('an order of a person is carried out once, and refused when forged, late, misplaced or impossible', async () => {
    const guest = host.add('web', uuid(1));
    await start();
    await attached(uuid(1));
    const done = await sentinel?.end.order(orderOf({}));
    assert.ok(done?.ok && done.value.state === 'done' && done.value.by === 'ann', JSON.stringify(done));
    guest.setPaused(false);
    const again = await sentinel?.end.order(orderOf({}));
    assert.ok(again?.ok && again.value.startedAt === done.value.startedAt);
    assert.equal(guest.paused, false);
    assert.deepEqual(await refusal(orderOf({ id: 'p2' }, -1)), ['refused', 'expired']);
    assert.deepEqual(await refusal(orderOf({ id: 'p3', vm: uuid(2) })), ['not-found', 'does not run']);
    assert.deepEqual(await refusal({ ...orderOf({ id: 'p4' }), payload: orderOf({ id: 'p5' }).payload }), [
      'refused',
      'changed',
    ]);
    guest.diskFormat = 'raw';
    const raw = await sentinel?.end.order(orderOf({ id: 'p6', action: 'snapshot', snapshot: 's1' }));
    assert.ok(raw?.ok && raw.value.state === 'failed' && /disk0 is raw/.test(raw.value.evidence));
    const off = await sentinel?.end.order(orderOf({ id: 'p7', action: 'power-off' }));
    assert.ok(off?.ok && off.value.state === 'done' && !guest.alive);
  });

  async function refusal(envelope: ReturnType<typeof orderOf>): Promise<string[]> {
    const answer = await sentinel?.end.order(envelope);
    assert.ok(answer !== undefined && !answer.ok);
    const word = /expired|does not run|changed/.exec(answer.error.message);
    return [answer.error.kind, word?.[0] ?? answer.error.message];
  }

  test('a second sentinel on the same directory is refused in words', async () => {
    await start();
    const options = {
      name: 'other',
      stateDir: dir,
      trusted: manager.trusted,
      manager,
      clock,
      log: silentLog,
      source: host,
    };
    const second = await startSentinel(options);
    assert.ok(!second.ok && /in use by another sentinel/.test(second.error.message));
  });
});
