// The sentinel on a real guest of real QEMU: what it sees, how soon, and what it makes of reboots, restores, power cuts and
// restarts of its own.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../lab/guest.ts';
import { bootPlainGuest } from '../../lab/plain-guest.ts';
import { guestsOf } from '../../lab/guests-of.ts';
import { silentLog } from '../kit/log.ts';
import { ok } from '../kit/result.ts';
import type { Manifest, ManifestEntry } from '../model/manifest.ts';
import type { Observed } from '../model/observation.ts';
import { allowEntry } from '../stages/draft/draft.ts';
import { RecordingManager } from '../sim/recording-manager.ts';
import { ps, sockets } from './local/local-views.ts';
import { type Sentinel, startSentinel } from './main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const quiet = '</dev/null >/dev/null 2>&1 &';

async function until(what: string | (() => string), holds: () => boolean, withinMs = 15_000): Promise<number> {
  const beganMs = performance.now();
  while (!holds()) {
    assert.ok(
      performance.now() - beganMs < withinMs,
      `not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}`,
    );
    await wait(2);
  }
  return performance.now() - beganMs;
}

suite('sentinel on a real guest', () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-l-'));
  let guest: Guest;
  let manager: RecordingManager;
  let sentinel: Sentinel;
  let generation = 0;

  before(async () => {
    const booted = await bootPlainGuest({ kernel: '6.1', name: `sentinel-${process.pid}` });
    assert.ok(booted.ok, booted.ok ? '' : booted.error.message);
    guest = booted.value;
    manager = new RecordingManager();
    await start();
  });
  after(async () => {
    await sentinel?.close();
    await guest?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    const started = await startSentinel({
      name: 'host',
      stateDir: dir,
      trusted: manager.trusted,
      manager,
      clock,
      log: silentLog,
      source: guestsOf(dir, [guest]),
    });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    sentinel = started.value;
    await until(
      () => `attached: ${JSON.stringify(sentinel.health().vms)}`,
      () => state() === 'running',
      60_000,
    );
  }

  const state = (): string | undefined => sentinel.health().vms.find((it) => it.vm.id === guest.uuid)?.vm.state;
  const incarnation = (): number => sentinel.health().vms.find((it) => it.vm.id === guest.uuid)?.incarnation ?? 0;

  async function install(
    mode: Manifest['mode'],
    entries: readonly ManifestEntry[],
    orders: Manifest['orders'] = [],
  ): Promise<void> {
    generation += 1;
    const manifest: Manifest = {
      format: 'plumbline.manifest/1',
      vm: guest.uuid,
      vmName: guest.name,
      scope: 'shop',
      service: 'web',
      mode,
      generation,
      issuedAt: new Date().toISOString(),
      entries: [...entries],
      orders: [...orders],
    };
    assert.deepEqual(await sentinel.end.install(manager.manifest(manifest)), ok(generation));
  }

  const observed = (): Observed[] => manager.told('observed').flatMap(({ items }) => items);
  const argvs = (): string[] => observed().map(({ activity }) => activity.image?.argv.join(' ') ?? '?');
  const found = (): string[] =>
    manager
      .told('findings')
      .map(({ deviation }) => `${deviation.kind} ${deviation.activity.image?.argv.join(' ') ?? '?'}`);
  let learned: ManifestEntry[] = [];

  test('a VM in no service shows what runs in it', async () => {
    const shown = () =>
      manager.told('traits').flatMap(({ traits }) => traits.map(({ kind, what }) => `${kind} ${what}`));
    await until(
      () => `a program among ${shown().join(' | ')}`,
      () => shown().some((trait) => trait.startsWith('program /')),
    );
    assert.equal(observed().length, 0);
  });

  test('captures programs, listeners and both ends of a connection', async () => {
    await install('capture', []);
    await guest.run(`workload pair 7000 ${quiet}`);
    await guest.run('sh -c "sleep 0.3; true"');
    await guest.run(`workload udp 7200 ${quiet}`);
    await until(
      () => `all of ${argvs().join(' | ')}`,
      () => ['workload pair 7000', 'sleep 0.3', 'workload udp 7200'].every((it) => argvs().includes(it)),
    );
    await until('the sockets', () =>
      ['listen', 'outbound', 'inbound'].every((kind) => observed().some(({ activity }) => activity.kind === kind)),
    );
    await wait(1500);
    const byWorkload = observed().filter(
      ({ activity }) => activity.kind !== 'process' && activity.image?.exe === '/bin/workload',
    );
    const said = byWorkload.map(
      ({ activity }) => `${activity.kind} ${activity.kind === 'process' ? '' : activity.proto}`,
    );
    assert.deepEqual(new Set(said), new Set(['listen tcp', 'outbound tcp', 'inbound tcp', 'listen udp']));
    const provenance = { kind: 'learned', at: new Date().toISOString() } as const;
    learned = observed().map(({ activity }) => allowEntry(activity, provenance));
  });

  test('what was learned is no deviation; a planted program is one within 200 ms', async () => {
    await install('detect', learned);
    await wait(1500);
    assert.deepEqual(found(), []);
    const tookMs: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const before = found().length;
      await guest.run(`workload hold ${i + 2} ${quiet}`);
      tookMs.push(
        await until('found', () =>
          found()
            .slice(before)
            .some((it) => it === `process workload hold ${i + 2}`),
        ),
      );
      await wait(200);
    }
    const median = tookMs.toSorted((a, b) => a - b)[2] ?? Infinity;
    assert.ok(
      median < 200,
      `median ${Math.round(median)} ms after the guest's shell answered: ${tookMs.map(Math.round).join(', ')}`,
    );
  });

  test('counts what lived and died between two looks', async () => {
    const missed = (): number => manager.told('coverage').reduce((sum, it) => sum + it.missed, 0);
    await wait(6000);
    const before = missed();
    await guest.run('workload execs 60 >/dev/null', 60_000);
    await until('a loss', () => missed() > before);
    await wait(6000);
    const gained = missed() - before;
    assert.ok(gained <= 70, `60 short-lived programs were counted as ${gained} missed`);
  });

  test('a restore is noticed, and what is planted after it is found', async () => {
    const kept = await guest.snapshot('clean');
    assert.ok(kept.ok, kept.ok ? '' : kept.error.message);
    const before = incarnation();
    await guest.run(`workload hold 100 ${quiet}`);
    await until('found', () => found().includes('process workload hold 100'));
    assert.ok((await guest.revert('clean')).ok);
    await until('noticed', () => manager.told('guard').some(({ what }) => what === 'guest-went-back'));
    assert.equal(incarnation(), before + 1);
    await guest.run(`workload hold 101 ${quiet}`);
    await until('found', () => found().includes('process workload hold 101'));
  });

  test('standing orders suspend the VM, and once more after it was put back', async () => {
    // Only listeners: the lab's own way in, a shell for each command, is a deviation as well.
    const suspend = { on: 'listen', minSeverity: 'info', action: 'suspend', approval: 'automatic' } as const;
    await guest.revert('clean');
    await until('attached', () => state() === 'running');
    await install('protect', learned, [suspend]);
    const suspended = (): number =>
      manager.told('remediations').filter((it) => it.state === 'done' && it.step.action === 'suspend').length;
    for (const round of [1, 2]) {
      const before = suspended();
      const number = incarnation();
      void guest.run(`workload listen 9999 ${quiet}`).catch(() => undefined);
      await until('suspended', () => suspended() > before && state() === 'paused');
      assert.match(JSON.stringify(await guest.qmp().execute('query-status')), /paused/, `round ${round}`);
      assert.ok((await guest.revert('clean')).ok);
      await until('attached again', () => state() === 'running' && incarnation() > number);
    }
    await install('detect', learned);
  });

  test('after a power cut it is gone, and its manifest holds from its first look at the next run', async () => {
    await guest.stop();
    await until('gone', () => state() === 'gone');
    const before = found().length;
    assert.ok((await guest.restore('clean')).ok);
    await until('running', () => state() === 'running');
    await guest.run(`workload hold 300 ${quiet}`);
    await until('found', () => found().includes('process workload hold 300'));
    assert.deepEqual(
      found()
        .slice(before)
        .filter((it) => !/hold 300|sh -c/.test(it)),
      [],
    );
  });

  test('a restart of the sentinel changes neither manifest nor life, and the host-local verbs answer with and without it', async () => {
    const number = incarnation();
    const withIt = await ps(guest.name, { stateDir: dir, clock });
    await sentinel.close();
    const without = await ps(guest.uuid, { stateDir: dir, clock });
    const seen = await sockets(guest.uuid, { stateDir: dir, clock });
    await start();
    assert.equal(incarnation(), number);
    assert.equal(sentinel.health().vms[0]?.generation, generation);
    assert.ok(
      withIt.ok && without.ok && seen.ok,
      JSON.stringify([withIt, without, seen].map((it) => (it.ok ? 'ok' : it.error))),
    );
    assert.equal(withIt.value.buildId, without.value.buildId);
    const names = (tasks: typeof withIt.value.tasks): string[] =>
      tasks.filter((it) => it.exe !== null).map((it) => `${it.pid} ${it.exe}`);
    assert.deepEqual(names(without.value.tasks), names(withIt.value.tasks));
    assert.ok(
      seen.value.sockets.some((it) => it.state === 'LISTEN' && it.localPort === 7000 && it.comm === 'workload'),
    );
  });

  test('a reboot is followed to the new system', async () => {
    const number = incarnation();
    const guards = manager.told('guard').length;
    await guest.qmp().execute('system_reset');
    await until('another life', () => incarnation() > number && state() === 'running', 60_000);
    assert.deepEqual(
      manager
        .told('guard')
        .slice(guards)
        .filter(({ what }) => what !== 'lost-sight'),
      [],
    );
  });
});
