// Tracer and watchdog killed at once leave their stop points in QEMU: what the next one to come makes of such a guest.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import {
  becomes,
  endWork,
  gdbSocketOf,
  openStub,
  pause,
  Standstill,
  startTracer,
  startWork,
  statusOf,
  turnsOf,
  watchedAddress,
} from '../../../../lab/fragile-trace.ts';
import type { Guest } from '../../../../lab/guest.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import { letGo } from './let-go.ts';
import { recoverStub } from './recover-stub.ts';
import type { RecoverOptions } from './recover-stub.ts';

suite('a guest whose tracer and watchdog were killed at once', { timeout: 180_000 }, () => {
  let guest: Guest;
  let address: string;
  let standstill: Standstill;
  let options: RecoverOptions;
  before(async () => {
    guest = await sharedGuest('6.1', { hardware: { vcpus: 2 }, name: 'recovered' });
    address = await watchedAddress(guest);
    await startWork(guest);
    standstill = new Standstill(guest);
    const socketPath = gdbSocketOf(guest);
    options = {
      isOurs: (path) => path === socketPath,
      take: () => Promise.resolve(ok({ release: () => undefined })),
      newSocketPath: `${socketPath}.new`,
    };
  });
  after(async () => {
    standstill?.stop();
    await endWork(guest);
  });

  async function killBoth(): Promise<void> {
    await openStub(guest);
    const tracer = await startTracer(guest, address);
    process.kill(tracer.watchdog, 'SIGKILL');
    tracer.process.kill('SIGKILL');
  }

  async function assertFree(): Promise<void> {
    const turns = turnsOf(guest);
    standstill.begin();
    assert.ok(await becomes(() => turnsOf(guest) > turns + 2, 10_000), `it does not work: ${await statusOf(guest)}`);
    assert.equal(standstill.stops, 0, 'a stop point was left in QEMU');
    // The stub is gone: another may be opened.
    assert.deepEqual(await recoverStub(guest.qmp(), options), { ok: true, value: 'clean' });
  }

  test('stands at its next stop, and runs on once it is recovered', async () => {
    await killBoth();
    assert.ok(await becomes(async () => (await statusOf(guest)) === 'debug', 5_000), await statusOf(guest));
    assert.deepEqual(await recoverStub(guest.qmp(), options), { ok: true, value: 'running' });
    await assertFree();
  });

  test('is recovered also when somebody has taken the stub away since', async () => {
    await killBoth();
    assert.ok(await becomes(async () => (await statusOf(guest)) === 'debug', 5_000), await statusOf(guest));
    await guest.qmp().hmp('gdbserver none');
    assert.deepEqual(await recoverStub(guest.qmp(), options), { ok: true, value: 'running' });
    await assertFree();
  });

  test('is recovered also when the socket of its stub was removed, and nobody can connect to it any more', async () => {
    await killBoth();
    assert.ok(await becomes(async () => (await statusOf(guest)) === 'debug', 5_000), await statusOf(guest));
    rmSync(gdbSocketOf(guest));
    assert.deepEqual(await recoverStub(guest.qmp(), options), { ok: true, value: 'running' });
    await assertFree();
  });

  test('and that somebody has paused meanwhile stays paused, without a stop point', async () => {
    await openStub(guest);
    const tracer = await startTracer(guest, address);
    await pause(guest);
    process.kill(tracer.watchdog, 'SIGKILL');
    tracer.process.kill('SIGKILL');
    await wait(200);
    assert.deepEqual(await recoverStub(guest.qmp(), options), { ok: true, value: 'left-paused' });
    assert.equal(await statusOf(guest), 'paused');
    await guest.qmp().execute('cont');
    await assertFree();
  });

  test('and that the tracer itself had paused is let run by its watchdog, which is waited for', async () => {
    await openStub(guest);
    const tracer = connect(gdbSocketOf(guest));
    assert.ok(await becomes(async () => (await statusOf(guest)) === 'paused', 5_000), 'connecting pauses it');
    tracer.destroy();
    const recovered = recoverStub(guest.qmp(), options);
    await wait(700);
    const freed = await letGo(gdbSocketOf(guest), { staysPaused: false, patienceMs: 5_000, qemuLives: () => true });
    assert.deepEqual(freed, { ok: true, value: 'running' });
    assert.deepEqual(await recovered, { ok: true, value: 'running' });
    await assertFree();
  });

  test('that another debugger holds is left to it', async () => {
    await openStub(guest);
    const tracer = await startTracer(guest, address);
    const others = await recoverStub(guest.qmp(), { ...options, isOurs: () => false });
    assert.match(others.ok ? '' : others.error.message, /in use or somebody else's/);
    const lives = fail(problem('refused', 'It lives.'));
    assert.deepEqual(await recoverStub(guest.qmp(), { ...options, take: () => Promise.resolve(lives) }), lives);
    tracer.tell({ do: 'detach' });
    await tracer.waitFor('detached');
    // Ours, with nobody connected any more, and nothing left in it.
    assert.deepEqual(await recoverStub(guest.qmp(), options), { ok: true, value: 'running' });
    await assertFree();
  });
});
