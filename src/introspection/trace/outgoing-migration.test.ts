// When a guest counts as being migrated, by what QEMU tells of it, and that QEMU is made to tell.
import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { SimulatedGuest, SimulatedMonitor } from '../../sim/simulated-guest.ts';
import { watchMigration } from './outgoing-migration.ts';

suite('a migration out of this host', () => {
  let guest: SimulatedGuest;
  let monitor: SimulatedMonitor;
  beforeEach(() => {
    guest = new SimulatedGuest('web', null, 1000, () => 0);
    monitor = new SimulatedMonitor(guest);
  });

  async function isTold(statuses: readonly string[]): Promise<boolean> {
    const watch = await watchMigration(monitor);
    assert.ok(watch.ok);
    let told = false;
    void watch.value.begun.then(() => (told = true));
    for (const status of statuses) guest.migrate(status);
    await new Promise((resolve) => setImmediate(resolve));
    watch.value.close();
    return told;
  }

  for (const word of ['active', 'pre-switchover', 'device', 'wait-unplug', 'postcopy-active', 'colo']) {
    test(`is told of at ${word}`, async () => {
      assert.equal(await isTold(['setup', word]), true);
    });

    test(`is refused when it is at ${word} already`, async () => {
      guest.migrate(word);
      const watch = await watchMigration(monitor);
      assert.ok(!watch.ok);
      assert.equal(watch.error.kind, 'refused');
    });
  }

  test('is not what QEMU says of a snapshot that is saved', async () => {
    assert.equal(await isTold(['setup', 'completed']), false);
  });

  for (const word of ['none', 'completed', 'failed', 'cancelled']) {
    test(`is no obstacle once it is ${word}`, async () => {
      guest.migrate(word);
      assert.equal(await isTold([]), false);
    });
  }

  test('QEMU is asked to tell of it, once', async () => {
    assert.equal(guest.tellsMigrations, false);
    assert.equal(await isTold(['active']), true);
    assert.equal(guest.tellsMigrations, true);
    guest.migrate('failed');
    assert.equal(await isTold(['active']), true);
  });

  test('cannot be watched without a monitor', async () => {
    guest.end();
    assert.equal((await watchMigration(monitor)).ok, false);
  });

  test('nothing is told after the watch was closed', async () => {
    const watch = await watchMigration(monitor);
    assert.ok(watch.ok);
    watch.value.close();
    let told = false;
    void watch.value.begun.then(() => (told = true));
    guest.migrate('active');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(told, false);
  });
});
