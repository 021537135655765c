// A sentinel watches over the integrity of a real guest: what is planted in its kernel becomes a guard event and is answered by
// the service's rule; asked by a person, it names the same.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../lab/guest.ts';
import { KernelPlaces } from '../../../lab/kernel-places.ts';
import { bootPlainGuest } from '../../../lab/plain-guest.ts';
import { openKernelSpace, tamper } from '../../../lab/tampering.ts';
import { guestsOf } from '../../../lab/guests-of.ts';
import { silentLog } from '../../kit/log.ts';
import { ok } from '../../kit/result.ts';
import type { Manifest } from '../../model/manifest.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { hash, integrity } from '../local/local-integrity.ts';
import { startSentinel, type Sentinel } from '../main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

async function until(what: string, holds: () => boolean, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms: ${what}`);
    await wait(20);
  }
}

suite('integrity of a real guest', () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-in-'));
  let guest: Guest;
  let places: KernelPlaces;
  let manager: RecordingManager;
  let sentinel: Sentinel;

  before(async () => {
    const booted = await bootPlainGuest({ kernel: '6.1', name: `integrity-${process.pid}` });
    assert.ok(booted.ok, booted.ok ? '' : booted.error.message);
    guest = booted.value;
    places = new KernelPlaces(await openKernelSpace(guest));
    manager = new RecordingManager();
    const { trusted } = manager;
    const base = {
      name: 'host',
      stateDir: dir,
      trusted,
      manager,
      clock,
      log: silentLog,
      source: guestsOf(dir, [guest]),
    };
    const started = await startSentinel(base);
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    sentinel = started.value;
    await until('attached', () => sentinel.health().vms[0]?.vm.state === 'running', 60_000);
  });
  after(async () => {
    await sentinel?.close();
    places?.space.pages.memory.close();
    await guest?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('a byte of kernel code that was changed suspends a VM whose rule says so', { timeout: 200_000 }, async () => {
    const at = new Date().toISOString();
    const manifest: Manifest = {
      format: 'plumbline.manifest/1',
      vm: guest.uuid,
      vmName: guest.name,
      scope: 'shop',
      service: 'web',
      mode: 'protect',
      generation: 1,
      issuedAt: at,
      entries: [],
      orders: [{ on: 'tampering', minSeverity: 'critical', action: 'suspend', approval: 'automatic' }],
    };
    assert.deepEqual(await sentinel.end.install(manager.manifest(manifest)), ok(1));
    await until('a round', () => (sentinel.health().integrity[0]?.rounds ?? 0) > 0, 100_000);
    assert.deepEqual(manager.told('guard'), []);

    const { offset, name } = places.idleCode();
    const bytes = Buffer.from([places.byteAt(offset) ^ 0x55]);
    await tamper(guest, [{ address: places.physical(offset), bytes }]);
    const report = await integrity(guest.name, null, { stateDir: dir, clock });
    assert.ok(report.ok, report.ok ? '' : report.error.message);
    const found = report.value.checks.flatMap(({ findings }) =>
      findings.map(({ kind, subject }) => `${kind} ${subject}`),
    );
    assert.deepEqual(found, [`patched-kernel-code ${name}`]);

    await until('told', () => manager.told('guard').length > 0, 100_000);
    const [event] = manager.told('guard');
    assert.equal(event?.what, 'kernel-tampered');
    assert.match(event?.subject ?? '', new RegExp(`patched-kernel-code ${name.replaceAll(/[+]/g, '\\+')}`));
    const done = (): boolean =>
      manager.told('remediations').some(({ state, step }) => state === 'done' && step.action === 'suspend');
    await until('suspended', done, 10_000);
    assert.match(JSON.stringify(await guest.qmp().execute('query-status')), /paused/);
    await guest.qmp().execute('cont');
  });

  test('a program is known by its contents, through the door', async () => {
    await guest.run('workload hold </dev/null >/dev/null 2>&1 &');
    const { out } = await guest.run('sha256sum /bin/workload; pidof workload');
    const [, sum, pid] = /^([0-9a-f]{64})[^\n]*\n(\d+)/.exec(out) ?? [];
    const identity = await hash(guest.name, Number(pid), { stateDir: dir, clock });
    assert.ok(identity.ok, identity.ok ? '' : identity.error.message);
    assert.equal(identity.value.sha256, sum);
  });
});
