// When a guest counts as having other processors or memory than at first, and for how long that is said to have been so.
import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { SimulatedGuest, SimulatedMonitor } from '../../sim/simulated-guest.ts';
import { watchHardware } from './plugged-hardware.ts';

const everyMs = 20;

suite('the processors and the memory of a guest', () => {
  let guest: SimulatedGuest;
  let monitor: SimulatedMonitor;
  beforeEach(() => {
    guest = new SimulatedGuest('web', null, 1000, () => 0);
    guest.processors = 2;
    monitor = new SimulatedMonitor(guest);
  });

  /** What is told within a second, or null. */
  async function told(change: () => void): Promise<number | null> {
    const watch = await watchHardware(monitor, everyMs);
    assert.ok(watch.ok);
    await wait(200);
    const beganMs = performance.now();
    change();
    const blindMs = await Promise.race([watch.value.changed, wait(1000, null)]);
    watch.value.close();
    const tookMs = performance.now() - beganMs;
    if (blindMs !== null) assert.ok(blindMs >= tookMs - 20 && blindMs < tookMs + 150, `${blindMs} of ${tookMs} ms`);
    return blindMs;
  }

  test('a processor that is plugged in is told of, with how long it may have been there', async () => {
    assert.notEqual(await told(() => (guest.processors = 3)), null);
  });

  test('one that is taken out is told of', async () => {
    assert.notEqual(await told(() => (guest.processors = 1)), null);
  });

  test('memory that is plugged in is told of', async () => {
    assert.notEqual(await told(() => (guest.pluggedBytes = 512 * 1024 * 1024)), null);
  });

  test('nothing is told of the same ones, nor when the monitor does not answer', async () => {
    assert.equal(await told(() => undefined), null);
    assert.equal(await told(() => guest.end()), null);
  });

  test('cannot be watched without a monitor', async () => {
    guest.end();
    assert.equal((await watchHardware(monitor, everyMs)).ok, false);
  });
});
