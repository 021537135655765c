// What a trace does when it is not alone with its guest: attempts answered, holds, a budget that is passed, snapshots loaded, pauses by
// others, resets, and a stub that somebody else has opened.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../lab/guest.ts';
import { bootPlainGuest } from '../../../lab/plain-guest.ts';
import { openGuestStub, traceGuest } from '../../../lab/traced-guest.ts';
import type { TracedGuest } from '../../../lab/traced-guest.ts';
import type { TraceOptions } from './tracer.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { openStub } from './gdb-stub.ts';
import { attemptHooks } from './hooks/attempts/attempt-hooks.ts';
import type { Guardian } from './guardian.ts';
import { openTrace } from './tracer.ts';
import { WatchdogGuardian } from './watchdog/watchdog-guardian.ts';

const patienceMs = 20_000;

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

async function until(what: string, holds: () => boolean, said: () => readonly unknown[] = () => []): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `in time: ${what}; there was ${JSON.stringify(said())}`);
    await wait(20);
  }
}

const attempts: NonNullable<TraceOptions['attempts']> = (context) =>
  attemptHooks(context, { kinds: new Set(['exec', 'connect'] as const), onDoubt: () => {}, onSlip: () => {} }).hooks;

suite('a trace that is not alone with its guest', { timeout: 300_000 }, () => {
  let guest: Guest;
  before(async () => {
    guest = must(await bootPlainGuest({ kernel: '6.1', name: 'trace-conduct' }));
  });
  after(() => guest?.stop());

  const isRunning = async (): Promise<boolean> => {
    const status = must(await guest.qmp().execute('query-status'));
    return (status as { readonly running?: boolean }).running === true;
  };
  const traced = async (
    options: Partial<TraceOptions>,
    use: (under: TracedGuest) => Promise<void>,
  ): Promise<TracedGuest> => {
    const under = await traceGuest(guest, options);
    try {
      await use(under);
    } finally {
      await under.close();
    }
    return under;
  };

  test('a decision that throws lets the attempt through, and says so', async () => {
    const decide = (): never => {
      throw new Error('no such manifest');
    };
    await traced({ attempts, decide }, async (under) => {
      assert.equal((await guest.run('workload exit 7')).code, 7);
      await until('the loss', () => under.losses().some(({ reason }) => reason.includes('no such manifest')));
      assert.ok(under.trace.summary().notRefused > 0);
    });
  });

  test('a guest that is held stands until somebody answers, and the answer holds', async () => {
    const held: string[] = [];
    const options: Partial<TraceOptions> = {
      attempts,
      decide: ({ argv }) => (argv?.includes('secret') === true ? 'hold' : 'allow'),
      onHeld: ({ argv }) => held.push(argv?.join(' ') ?? ''),
    };
    await traced(options, async (under) => {
      const refused = guest.run('workload exit secret');
      await until('the hold', () => held.length === 1);
      await wait(1_500);
      assert.equal(await isRunning(), false);
      assert.ok(under.trace.release('block'));
      assert.ok(!under.trace.release('block'), 'only once');
      assert.equal((await refused).code, 126);
      assert.equal(under.events('exec', 'workload', 'exit', 'secret')[0]?.verdict, 'block');
      const allowed = guest.run('workload exit 5 secret');
      await until('the next hold', () => held.length === 2);
      assert.ok(under.trace.release('allow'));
      assert.equal((await allowed).code, 5);
    });
  });

  test('a hold that nobody answers becomes what was said for that case', async () => {
    const options: Partial<TraceOptions> = {
      attempts,
      decide: ({ argv }) => (argv?.includes('secret') === true ? 'hold' : 'allow'),
      holdMs: 400,
      afterHold: 'allow',
    };
    await traced(options, async () => {
      assert.equal((await guest.run('workload exit 3 secret')).code, 3);
    });
  });

  test('a hold that nobody has answered when the trace is closed becomes the same', async () => {
    const held: string[] = [];
    const options: Partial<TraceOptions> = {
      attempts,
      decide: ({ argv }) => (argv?.includes('secret') === true ? 'hold' : 'allow'),
      onHeld: ({ argv }) => held.push(argv?.join(' ') ?? ''),
    };
    let refused: ReturnType<Guest['run']> | undefined;
    const under = await traced(options, async () => {
      refused = guest.run('workload exit secret');
      await until('the hold', () => held.length === 1);
    });
    assert.equal((await refused)?.code, 126);
    assert.equal(under.events('exec', 'workload', 'exit', 'secret')[0]?.verdict, 'block');
    assert.equal((await guest.run('workload exit 4')).code, 4);
  });

  test('beyond its budget it steps back, says from when to when, and comes back', async () => {
    const budget = { stopsPerSecondMax: 60, stolenMsPerSecondMax: 1_000 };
    const under = await traced({ budget }, async ({ losses, events }) => {
      await guest.run('workload execs 120');
      await until('stepping back', () => losses().length > 0);
      const before = events('exec').length;
      // One try at a time, well within the budget: the trace comes back when the guest is calm.
      const seen = () => events('exec', 'workload', 'exit', '42').length > 0;
      for (let tries = 0; tries < 20 && !seen(); tries += 1) {
        await wait(500);
        await guest.run('workload exit 42');
        await wait(200);
      }
      assert.ok(seen(), 'it came back');
      assert.ok(events('exec').length > before);
    });
    assert.ok(under.events('exec', 'workload', 'exit').length < 120);
    const rests = under.losses();
    assert.ok(
      rests.every(({ reason }) => reason.includes('cost')),
      rests.map(({ reason }) => reason).join(),
    );
    assert.ok(rests.every(({ from, until: end }) => from <= end));
  });

  test('a snapshot that was loaded is told as a loss, and what happens then is told again', async () => {
    must(await guest.snapshot('earlier'));
    await traced({}, async ({ losses, events }) => {
      // Longer than it takes the tracer to look again.
      await wait(1_000);
      await guest.run('workload exit 1');
      must(await guest.revert('earlier'));
      await until('the loss', () => losses().some(({ reason }) => reason.includes('snapshot')), losses);
      await wait(500);
      await guest.run('workload exit 2');
      await until('an event', () => events('exec', 'workload', 'exit', '2').length === 1);
    });
  });

  test('a snapshot that is loaded at a stop leaves no guest standing', async () => {
    must(await guest.snapshot('before'));
    for (let turn = 0; turn < 4; turn += 1) {
      await traced({}, async ({ losses, events }) => {
        await guest.run('workload execs 400 > /dev/null 2>&1 &');
        await wait(100 + 20 * turn);
        must(await guest.revert('before'));
        await until('the loss', () => losses().some(({ reason }) => reason.includes('snapshot')), losses);
        await guest.run('workload exit 2');
        await until('an event', () => events('exec', 'workload', 'exit', '2').length === 1, losses);
      });
    }
  });

  test('a guest that somebody else paused stays paused, whatever the trace does, and is traced on when it runs', async () => {
    const under = await traceGuest(guest);
    must(await guest.qmp().execute('stop'));
    await wait(500);
    assert.equal(await isRunning(), false);
    must(await guest.qmp().execute('cont'));
    await guest.run('workload exit 9');
    await until('an event', () => under.events('exec', 'workload', 'exit', '9').length === 1);
    must(await guest.qmp().execute('stop'));
    await wait(300);
    await under.close().catch(() => {});
    assert.equal(await isRunning(), false, 'closing does not let it run');
    must(await guest.qmp().execute('cont'));
    assert.equal((await guest.run('workload exit 4')).code, 4, 'and no point is left');
  });

  test('a trace ends at once after somebody else paused the guest and let it run again', async () => {
    for (let turn = 0; turn < 8; turn += 1) {
      const under = await traceGuest(guest);
      must(await guest.qmp().execute('stop'));
      must(await guest.qmp().execute('cont'));
      await under.close();
      assert.ok(await isRunning());
      assert.equal((await guest.run('workload exit 4')).code, 4, 'no point is left');
    }
  });

  test('a connection that is cut ends the trace, and the guest runs on', async () => {
    const real = new WatchdogGuardian();
    const connections: Socket[] = [];
    const guardian: Guardian = {
      async watch(stub) {
        const watch = await real.watch(stub);
        if (watch.ok) connections.push(watch.value.connection);
        return watch;
      },
    };
    const under = await traceGuest(guest, { guardian });
    const busy = guest.run('workload execs 100', patienceMs);
    await until('events', () => under.events('exec').length > 10);
    connections[0]?.destroy();
    assert.notEqual(await under.trace.ended, null);
    assert.match(under.losses().at(-1)?.reason ?? '', /^the trace ended/);
    await under.close();
    assert.equal((await busy).code, 0);
    assert.ok(await isRunning());
  });

  test('a stub that is open already is left alone', async () => {
    const stub = await openGuestStub(guest);
    const second = await openStub(stub.monitor, `${stub.target.socketPath}-2`);
    assert.ok(!second.ok);
    assert.equal(second.error.kind, 'refused');
    await stub.close();
  });

  test('a reset ends the trace, and the guest boots', async () => {
    const under = await traceGuest(guest);
    must(await guest.qmp().execute('system_reset'));
    await wait(200);
    under.trace.disturbed('the machine was reset');
    const why = await under.trace.ended;
    assert.match(why?.message ?? '', /Another system/);
    await under.close().catch(() => {});
    assert.ok(await isRunning());
    assert.equal((await guest.run('workload exit 6', 90_000)).code, 6);
  });
});

test('without a stub there is no trace, and the problem says where it was looked for', async () => {
  const nowhere = '/nonexistent/gdb.sock';
  const target = {
    qemuPid: 1,
    accelerator: 'tcg',
    stretches: [],
    registers: '',
    profileDirectory: null,
    socketPath: nowhere,
  } as const;
  const clock = { now: () => 0, monotonic: () => 0 };
  assert.ok(!(await openTrace(target, { clock, guardian: null, onLine: () => {} })).ok);
});
