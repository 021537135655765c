// What others do to a guest while it is traced: pause it, take and load snapshots, reset it, migrate it. The trace goes on or ends, and
// says what it may have missed; the guest does what they wanted.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { becomes, pause, startWork, statusOf, turnsOf } from '../../../../lab/fragile-trace.ts';
import type { Guest } from '../../../../lab/guest.ts';
import { bootPlainGuest } from '../../../../lab/plain-guest.ts';
import { traceGuest } from '../../../../lab/traced-guest.ts';
import type { TracedGuest } from '../../../../lab/traced-guest.ts';
import { WatchdogGuardian } from './watchdog-guardian.ts';

/** The machine that runs the tests is busy: most of this is not about how fast a watchdog is. */
const patientMs = 5_000;

suite('a traced guest', { timeout: 240_000 }, () => {
  let guest: Guest;
  let traced: TracedGuest;
  before(async () => {
    const booted = await bootPlainGuest({ kernel: '6.1', name: 'disturbed' });
    assert.ok(booted.ok);
    guest = booted.value;
    await startWork(guest);
  });
  after(() => guest?.stop());

  /** Also a trace that ended by itself is closed; whatever it says of that, the guest has to run on. */
  async function during(lateMs: number, act: () => Promise<void>): Promise<void> {
    traced = await traceGuest(guest, { kinds: ['exec'], guardian: new WatchdogGuardian({ lateMs }) });
    try {
      await assertTraced();
      await act();
    } finally {
      await traced.close().catch(() => {});
    }
  }

  async function assertRuns(): Promise<void> {
    assert.ok(await becomes(async () => (await statusOf(guest)) === 'running', 5_000), await statusOf(guest));
    const turns = turnsOf(guest);
    assert.ok(await becomes(() => turnsOf(guest) > turns + 2, 20_000), `it does not work: ${await statusOf(guest)}`);
  }

  const execs = (): number => traced.events('exec', '/bin/busybox', 'true').length;

  async function assertTraced(): Promise<void> {
    const before = execs();
    assert.ok(await becomes(() => execs() > before + 2, 20_000), `no more events: ${await statusOf(guest)}`);
  }

  test('loses no more of its time than it stood still', async (context) => {
    const uptimeMs = async (): Promise<number> => Number.parseFloat((await guest.run('cat /proc/uptime')).out) * 1000;
    await during(patientMs, async () => {
      const stolenBefore = traced.trace.summary().stolenMs;
      const [hostFrom, guestFrom] = [performance.now(), await uptimeMs()];
      await wait(5_000);
      const [guestMs, hostMs] = [(await uptimeMs()) - guestFrom, performance.now() - hostFrom];
      const stolenMs = traced.trace.summary().stolenMs - stolenBefore;
      const figures = [hostMs, stolenMs, guestMs].map((ms) => Math.round(ms));
      context.diagnostic(`of ${figures[0]} ms it stood for ${figures[1]} ms; its clock went on by ${figures[2]} ms`);
      assert.ok(guestMs <= hostMs + 50 && guestMs >= hostMs - 3 * stolenMs - 500, figures.join(' '));
    });
  });

  test('that an administrator pauses stays paused, and is traced on when it runs again', async () => {
    await during(patientMs, async () => {
      await pause(guest);
      const turns = turnsOf(guest);
      await wait(700);
      assert.deepEqual([await statusOf(guest), turnsOf(guest)], ['paused', turns]);
      await guest.qmp().execute('cont');
      await assertTraced();
    });
    await assertRuns();
  });

  test('is traced on after a snapshot was taken; once it is loaded the trace tells a loss, and the guest runs', async () => {
    await during(1_500, async () => {
      assert.deepEqual(await guest.snapshot('during'), { ok: true, value: undefined });
      await assertTraced();
      await wait(300);
      assert.doesNotMatch(reasons().join('; '), /leapt/, 'it was only taken');
      assert.equal(await loadSnapshot('during'), '');
      // The snapshot may hold a stop that was on its way, which comes once more, and first, when it is loaded.
      const told = await becomes(() => reasons().some((reason) => /a snapshot was loaded/.test(reason)), 5_000);
      assert.ok(told, `nothing of a snapshot among: ${reasons().join('; ')}`);
      await assertRuns();
    });
    await assertRuns();
  });

  const reasons = (): readonly string[] => traced.losses().map(({ reason }) => reason);

  async function loadSnapshot(name: string): Promise<string> {
    const said = await guest.qmp().hmp(`loadvm ${name}`, { timeoutMs: 60_000 });
    assert.ok(said.ok);
    return said.value.trim();
  }

  test('that is reset boots, and its trace ends', async () => {
    await during(1_500, async () => {
      await guest.qmp().execute('system_reset');
      traced.trace.disturbed('the guest was reset');
      const ended = await Promise.race([traced.trace.ended, wait(60_000).then(() => 'not ended' as const)]);
      assert.notEqual(ended, 'not ended');
    });
    assert.equal((await guest.run('true', 90_000)).code, 0);
    assert.equal(await statusOf(guest), 'running');
  });

  test('that is migrated away is left before it goes: it does not run twice, and QEMU lives', async () => {
    await startWork(guest);
    for (let time = 0; time < 3; time += 1) {
      let turns = 0;
      await during(1_500, async () => {
        await guest.qmp().hmp('migrate -d "exec:cat > /dev/null"');
        const went = await becomes(async () => (await statusOf(guest)) === 'postmigrate', 60_000);
        assert.ok(went, `${await statusOf(guest)}; ${JSON.stringify(await guest.qmp().execute('query-migrate'))}`);
        turns = turnsOf(guest);
        await wait(300);
      });
      await wait(1_000);
      assert.deepEqual([await statusOf(guest), turnsOf(guest)], ['postmigrate', turns]);
      // As one whose target did not come up.
      await guest.qmp().execute('cont');
      await assertRuns();
    }
  });
});
