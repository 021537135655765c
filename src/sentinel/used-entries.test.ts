// A sentinel tells which entries of a manifest are used: by what starts, and by what stands since before.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../kit/log.ts';
import type { Manifest } from '../model/manifest.ts';
import { RecordingManager } from '../sim/recording-manager.ts';
import { SimulatedHost } from '../sim/simulated-host.ts';
import { simulatedManifest } from '../sim/simulated-manifest.ts';
import { startSentinel } from './main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const vm = '00000000-0000-4000-8000-000000000001';
const init = { exe: '/sbin/init', argv: ['/sbin/init'] };

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`);
    await wait(5);
  }
}

function manifestIn(mode: Manifest['mode'], generation: number): Manifest {
  const manifest = simulatedManifest(init, { vm, mode, generation });
  const [first] = manifest.entries;
  assert.ok(first !== undefined);
  const entry = (id: string, exe: string) => ({
    ...first,
    id,
    behaviour: { kind: 'process' as const, exe, argv: [exe], user: 'any', parent: '?' },
  });
  return { ...manifest, entries: [first, entry('job', '/bin/job'), entry('never', '/bin/never')] };
}

test('what starts and what stands is told as used before the sentinel ends, and nothing else', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-u-'));
  const host = new SimulatedHost(clock, (ms) => wait(ms));
  const manager = new RecordingManager();
  const guest = host.add('web', vm);
  const started = await startSentinel({
    name: 'host',
    stateDir: dir,
    trusted: manager.trusted,
    manager,
    clock,
    log: silentLog,
    source: host,
  });
  assert.ok(started.ok);
  const sentinel = started.value;
  const isUp = (): boolean => sentinel.health().vms.some((each) => each.vm.id === vm && each.vm.state === 'running');
  await until('attached', isUp);
  const shows = (): boolean => manager.told('traits').some((each) => each.vm === vm && each.traits.length > 0);
  await until('what a VM in no service shows', shows);
  assert.equal(manager.told('observed').length, 0);
  assert.ok((await sentinel.end.install(manager.manifest(manifestIn('capture', 1)))).ok);
  await until('learned', () => manager.told('observed').length > 0);
  assert.ok((await sentinel.end.install(manager.manifest(manifestIn('detect', 2)))).ok);
  for (let i = 0; i < 3; i += 1) {
    const pid = guest.spawn({ exe: '/bin/job', argv: ['/bin/job'] });
    await wait(60);
    guest.exit(pid);
    await wait(30);
  }
  guest.spawn({ exe: '/tmp/evil', argv: ['/tmp/evil'] });
  await until('an alarm', () => manager.told('findings').length > 0);
  assert.deepEqual(manager.told('uses'), []);
  await sentinel.close();
  const reports = manager.told('uses');
  const used = new Map(reports.flatMap(({ entries }) => entries).map((use) => [use.entry, use]));
  assert.deepEqual(
    [...used.keys()].toSorted((a, b) => (a < b ? -1 : 1)),
    ['e1', 'job'],
  );
  assert.equal(used.get('job')?.count, 3);
  assert.equal(used.get('job')?.sample?.image?.exe, '/bin/job');
  assert.equal(used.get('job')?.sample?.vm, vm);
  assert.ok(reports.some(({ watchedSeconds = 0 }) => watchedSeconds > 0));
  rmSync(dir, { recursive: true, force: true });
});
