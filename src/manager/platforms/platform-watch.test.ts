// When a platform is read: at its pace, and soon after something was done there, though it was being read just then.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../../kit/log.ts';
import { ok } from '../../kit/result.ts';
import { SimulatedPlatform } from '../../sim/simulated-platform.ts';
import { watchPlatform } from './platform-watch.ts';

function watched(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const simulated = new SimulatedPlatform();
  const platform = simulated.open({ clock, sleep: async () => await Promise.resolve() });
  const watch = watchPlatform(
    { name: 'west', platform, prices: {} },
    {
      clock,
      log: silentLog,
      pace: { readMs: 60_000, awayMs: 20_000, holdMs: 1000 },
      take: async () => await Promise.resolve(ok({ vms: 0, gaps: [] })),
      sample: async () => await Promise.resolve(null),
      changed: () => undefined,
    },
  );
  /** How often it was read after so many milliseconds more. */
  const readAfter = async (ms: number): Promise<number> => {
    nowMs += ms;
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    return simulated.questions;
  };
  return { watch, simulated, readAfter };
}

test('at its pace, and sooner after something was done, once for several acts', async (t) => {
  const { watch, readAfter } = watched(t);
  assert.equal(await readAfter(1), 1);
  assert.equal(watch.health().state, 'reachable');
  assert.equal(await readAfter(59_999), 1);
  assert.equal(await readAfter(1), 2);
  watch.readSoon();
  assert.equal(await readAfter(2000), 2);
  watch.readSoon();
  assert.equal(await readAfter(1000), 3);
  assert.equal(await readAfter(59_000), 3);
  await watch.close();
});

test('what was done while it was being read is read again', async (t) => {
  const { watch, simulated, readAfter } = watched(t);
  const gate = Promise.withResolvers<void>();
  simulated.gate = gate.promise;
  assert.equal(await readAfter(1), 1);
  watch.readSoon();
  gate.resolve();
  assert.equal(await readAfter(0), 1);
  assert.equal(await readAfter(3000), 2);
  assert.equal(await readAfter(50_000), 2);
  await watch.close();
});

test('what changed there by another hand is read at once, a burst as one, and not without rest', async (t) => {
  const { watch, simulated, readAfter } = watched(t);
  assert.equal(await readAfter(1), 1);
  await readAfter(10_000);
  for (let event = 0; event < 20; event += 1) {
    watch.readChanged();
    await readAfter(5);
  }
  assert.equal(await readAfter(150), 2);
  watch.readChanged();
  assert.equal(await readAfter(900), 2);
  const gate = Promise.withResolvers<void>();
  simulated.gate = gate.promise;
  assert.equal(await readAfter(200), 3);
  // While it is being read: that reading may have passed the VM already.
  watch.readChanged();
  gate.resolve();
  assert.equal(await readAfter(0), 3);
  assert.equal(await readAfter(1000), 4);
  assert.equal(await readAfter(50_000), 4);
  await watch.close();
});

test('one that is away is asked more often, and one that was closed not at all', async (t) => {
  const { watch, simulated, readAfter } = watched(t);
  simulated.isAway = true;
  assert.equal(await readAfter(1), 1);
  assert.equal(watch.health().state, 'away');
  assert.equal(await readAfter(20_000), 2);
  await watch.close();
  watch.readSoon();
  assert.equal(await readAfter(100_000), 2);
});
