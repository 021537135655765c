// A guest that is changed while its manifest is in force: what the sentinel lets pass, what it tells of it, and for how long.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../../kit/log.ts';
import type { ChangeWindow } from '../../model/change.ts';
import type { Manifest } from '../../model/manifest.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import type { SimulatedGuest } from '../../sim/simulated-guest.ts';
import { SimulatedHost } from '../../sim/simulated-host.ts';
import { startSentinel, type Sentinel } from '../main.ts';

const vm = '00000000-0000-4000-8000-000000000001';
const scheduler = '/usr/sbin/scheduler';
let nowMs: (() => number) | null = null;
const clock = { now: () => nowMs?.() ?? Date.now(), monotonic: () => performance.now() };

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`);
    await wait(5);
  }
}

suite('changes of a guest', () => {
  let dir = '';
  let manager: RecordingManager;
  let host: SimulatedHost;
  let guest: SimulatedGuest;
  let sentinel: Sentinel;
  let generation = 0;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'plumbline-c-'));
    nowMs = null;
    manager = new RecordingManager();
    host = new SimulatedHost(clock, (ms) => wait(ms));
    guest = host.add('web', vm);
    await start();
  });
  afterEach(async () => {
    await sentinel.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    const given = {
      name: 'host',
      stateDir: dir,
      trusted: manager.trusted,
      manager,
      clock,
      log: silentLog,
      source: host,
    };
    const started = await startSentinel(given);
    assert.ok(started.ok);
    sentinel = started.value;
    await until('attached', () => sentinel.health().vms.some((it) => it.vm.state === 'running'));
  }

  async function install(changes: readonly ChangeWindow[] = []): Promise<void> {
    generation += 1;
    const at = new Date().toISOString();
    const allowed = [
      { exe: '/sbin/init', argv: ['/sbin/init'], parent: '?' },
      { exe: scheduler, argv: [scheduler], parent: '/sbin/init' },
      { exe: '/usr/bin/dpkg', argv: ['dpkg', '-l'], parent: scheduler },
    ];
    const manifest: Manifest = {
      format: 'plumbline.manifest/1',
      vm,
      vmName: 'web',
      scope: 'shop',
      service: 'web',
      mode: 'detect',
      generation,
      issuedAt: at,
      orders: [],
      entries: allowed.map((entry, i) => ({
        id: `e${i}`,
        behaviour: { kind: 'process', user: '0', ...entry },
        provenance: { kind: 'declared', at },
      })),
      changes: [...changes],
    };
    assert.deepEqual(await sentinel.end.install(manager.manifest(manifest)), { ok: true, value: generation });
    await wait(50);
  }

  const spawn = (exe: string, argv: readonly string[], parent?: number): number =>
    guest.spawn({ exe, argv: [...argv] }, parent);
  const alarmed = (): (string | null | undefined)[] =>
    manager.told('findings').map(({ deviation }) => deviation.activity.image?.exe);
  const admitted = (): string[] =>
    manager.told('admitted').map(({ change, finding }) => `${change} ${finding.deviation.activity.image?.exe}`);

  /** Made when it is asked for: hours may pass between the loading of a test and its run. */
  const declared = (): ChangeWindow => ({
    id: 'c1',
    cause: 'declared',
    packages: ['newtool'],
    programs: ['/opt/new/serve'],
    ports: [],
    starter: null,
    from: new Date(Date.now() - 1000).toISOString(),
    until: new Date(Date.now() + 600_000).toISOString(),
  });

  test('a declared change admits what it brings, tells it, and nothing else passes', async () => {
    await install([declared()]);
    spawn('/opt/new/serve', ['serve']);
    spawn('/usr/bin/other', ['other']);
    await until('both were told', () => alarmed().length > 0 && admitted().length > 0);
    assert.deepEqual(alarmed(), ['/usr/bin/other']);
    assert.deepEqual(admitted(), ['c1 /opt/new/serve']);
  });

  test('what was admitted and still runs is no news when the window is gone, the same started anew is', async () => {
    await install([declared()]);
    spawn('/opt/new/serve', ['serve']);
    await until('it was admitted', () => admitted().length === 1);
    await install();
    await wait(200);
    assert.deepEqual(alarmed(), []);
    await sentinel.close();
    await start();
    await wait(300);
    assert.deepEqual(alarmed(), [], 'a restart forgot it');
    spawn('/opt/new/serve', ['serve']);
    await until('it alarmed', () => alarmed().length > 0);
    assert.deepEqual(alarmed(), ['/opt/new/serve']);
  });

  test('an installation seen opens a window that outlives a restart and ends', async () => {
    const parent = spawn(scheduler, [scheduler]);
    await install();
    spawn('/usr/bin/dpkg', ['dpkg', '-i', '/debs/newtool_1.0_amd64.deb'], parent);
    await until('it was told', () => manager.told('changes').length === 1);
    const [told] = manager.told('changes');
    assert.deepEqual([told?.vm, told?.window.cause, told?.window.packages], [vm, 'observed', ['newtool']]);
    await sentinel.close();
    await start();
    spawn('/usr/bin/newtool', ['newtool', '--first-use'], parent);
    await until('its program was admitted', () => admitted().includes(`${told?.window.id} /usr/bin/newtool`));
    assert.deepEqual(alarmed(), []);
    nowMs = () => Date.now() + 700_000;
    spawn('/usr/bin/newtool', ['newtool', '--later'], parent);
    await until('it alarmed', () => alarmed().length > 0);
    assert.deepEqual(alarmed(), ['/usr/bin/newtool']);
  });
});
