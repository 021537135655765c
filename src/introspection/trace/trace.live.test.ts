// Traces real guests of every supported kernel: what is told is right, whole, in order, and told once, whichever way it is watched for.
import assert from 'node:assert/strict';
import { after, before, describe, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../lab/guest.ts';
import { kernelReleases, type KernelRelease } from '../../../lab/kernels.ts';
import { counted } from '../../../lab/scale.ts';
import { sharedGuest } from '../../../lab/shared-guests.ts';
import { traceGuest } from '../../../lab/traced-guest.ts';
import type { TracedGuest } from '../../../lab/traced-guest.ts';

const limitMs = counted(600_000, 3_600_000);
const loopsMs = counted(150_000, 1_800_000);

/** Guests of their own: another suite's listener on a port that is counted here would take its connections. */
function tracedGuest(kernel: KernelRelease): Promise<Guest> {
  return sharedGuest(kernel, { name: `traced-${kernel}`, hardware: { vcpus: 2 } });
}

/** A stop may still be on its way to the tracer when the guest's shell has answered. */
async function settle(traced: TracedGuest): Promise<void> {
  for (let before = -1; before !== traced.lines.length;) {
    before = traced.lines.length;
    await wait(200);
  }
}

/** Nothing is missing, nothing is doubtful, nothing stands out of order. */
function assertWhole({ lines, losses, trace }: TracedGuest): void {
  assert.deepEqual(losses(), []);
  assert.deepEqual(
    lines.map(({ seq }) => seq),
    lines.map((_, index) => index + 1),
  );
  const times = lines.map(({ ts }) => ts);
  assert.deepEqual(times, times.toSorted(), 'times never go back');
  const { counts, lost, losses: doubtful } = trace.summary();
  assert.deepEqual([lost, doubtful], [0, 0]);
  assert.equal(
    Object.values(counts).reduce((sum, count) => sum + count, 0),
    lines.length,
  );
}

suite('a traced guest', { timeout: limitMs }, () => {
  for (const kernel of kernelReleases) {
    describe(`on Linux ${kernel}`, () => {
      let guest: Guest;
      let traced: TracedGuest;
      before(async () => {
        guest = await tracedGuest(kernel);
        traced = await traceGuest(guest);
      });
      after(() => traced?.close());

      test('says of a program who started it, as whom, and with which arguments', async () => {
        const { out } = await guest.run('cd /; sh -c "workload exit 0 two; echo $$ $PPID"');
        await settle(traced);
        const [shell, agent] = out.trim().split(' ').map(Number);
        const [exec] = traced.events('exec', 'workload', 'exit', '0', 'two');
        assert.ok(exec !== undefined, 'the program was seen');
        assert.equal(exec.exe, '/bin/workload');
        assert.deepEqual(exec.argv, ['workload', 'exit', '0', 'two']);
        assert.equal(exec.comm, 'workload');
        assert.equal(exec.parentExe, '/bin/busybox');
        assert.equal(exec.parentArgv?.[0], 'sh');
        assert.ok(exec.ancestors.includes('/sbin/lab-agent'), exec.ancestors.join());
        assert.deepEqual([exec.uid, exec.euid], [0, 0]);
        assert.ok(exec.ppid === shell || exec.ppid === agent, `${exec.ppid} started it, not ${shell}`);
        assert.match(exec.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        const [exit] = traced.events('exit', 'workload', 'exit', '0', 'two');
        assert.deepEqual([exit?.pid, exit?.image, exit?.exe], [exec.pid, exec.image, exec.exe]);
        const fork = traced.lines.find((line) => line.kind === 'fork' && line.childPid === exec.pid);
        assert.ok(fork !== undefined && fork.seq < exec.seq && exit !== undefined && exec.seq < exit.seq);
      });

      test('tells a change of user', async () => {
        await guest.run('workload user 1000 & sleep 0.5; kill %1');
        await settle(traced);
        const changes = traced.events('setuid', 'workload', 'user');
        assert.equal(changes.at(-1)?.uid, 1000);
        assert.equal(traced.events('exit', 'workload', 'user').at(-1)?.euid, 1000);
      });

      test('tells connections, accepted connections and listeners with their ends', async () => {
        await guest.run(
          'workload pair 7100 & workload listen6 7101 & sleep 0.5; workload connect6 ::1 7101; kill %1 %2',
        );
        await guest.run('workload udp 7102 & sleep 0.5; workload udp-connect 127.0.0.1 7102; kill %1');
        await settle(traced);
        const [bind] = traced.events('bind', 'workload', 'pair');
        assert.deepEqual([bind?.proto, bind?.localAddr, bind?.localPort], ['tcp', '0.0.0.0', 7100]);
        const [listen] = traced.events('listen', 'workload', 'pair');
        assert.deepEqual([listen?.proto, listen?.localAddr, listen?.localPort], ['tcp', '0.0.0.0', 7100]);
        const [connect] = traced.events('connect', 'workload', 'pair');
        assert.deepEqual([connect?.proto, connect?.remoteAddr, connect?.remotePort], ['tcp', '127.0.0.1', 7100]);
        const [accept] = traced.events('accept', 'workload', 'pair');
        assert.deepEqual([accept?.localAddr, accept?.localPort], ['127.0.0.1', 7100]);
        assert.equal(accept?.remoteAddr, '127.0.0.1');
        assert.ok((accept?.remotePort ?? 0) > 1024);
        const [listen6] = traced.events('listen', 'workload', 'listen6');
        assert.deepEqual([listen6?.localAddr, listen6?.localPort], ['::', 7101]);
        const [connect6] = traced.events('connect', 'workload', 'connect6');
        assert.deepEqual([connect6?.proto, connect6?.remoteAddr, connect6?.remotePort], ['tcp', '::1', 7101]);
        const [udp] = traced.events('bind', 'workload', 'udp');
        assert.deepEqual([udp?.proto, udp?.localPort], ['udp', 7102]);
        const [datagrams] = traced.events('connect', 'workload', 'udp-connect');
        assert.deepEqual([datagrams?.proto, datagrams?.remoteAddr, datagrams?.remotePort], ['udp', '127.0.0.1', 7102]);
      });

      test('tells programs that live in memory only, and threads as the process they belong to', async () => {
        await guest.run('workload memfd evil quiet exit; workload threads 3 & sleep 0.5; kill %1');
        await settle(traced);
        assert.equal(traced.events('exec', 'quiet').at(-1)?.exe, '/memfd:evil (deleted)');
        assert.equal(traced.events('exec', 'workload', 'threads').length, 1);
        assert.equal(traced.events('fork', 'workload', 'threads').length, 0);
        assert.equal(traced.events('exit', 'workload', 'threads').length, 1);
      });

      test('tells a program that was running before by its name when it ends', () => {
        const agent = traced.events('fork', '/sbin/lab-agent')[0];
        assert.equal(agent?.exe, '/sbin/lab-agent');
        assertWhole(traced);
      });
    });
  }

  describe('with two processors and eight loops at once', () => {
    const runs = 3;
    const each = Math.ceil(counted(400, 5_000) / 8);
    const returning = 200;
    // What is counted here must not depend on how busy the machine is that runs the tests.
    const budget = { stopsPerSecondMax: 100_000, stolenMsPerSecondMax: 100_000 };
    let guest: Guest;
    before(async () => {
      guest = await tracedGuest('6.1');
      await guest.run('workload sink 7000 </dev/null >/dev/null 2>&1 & sleep 0.3');
    });
    after(() => guest?.run('pkill workload; true'));

    for (let run = 1; run <= runs; run += 1) {
      test(`${8 * each} programs and as many connections are told once each, run ${run}`, async () => {
        const traced = await traceGuest(guest, { budget });
        const loops = `for i in 1 2 3 4 5 6 7 8; do workload execs ${each} >/dev/null & workload connects 127.0.0.1 7000 ${each} >/dev/null & done; wait`;
        const { code } = await guest.run(loops, loopsMs);
        await settle(traced);
        await traced.close();
        assert.equal(code, 0);
        assertWhole(traced);
        assert.equal(traced.events('exec', 'workload', 'exit').length, 8 * each);
        assert.equal(traced.events('exit', 'workload', 'exit').length, 8 * each);
        assert.equal(traced.events('fork', 'workload', 'execs').length, 8 * each);
        assert.equal(traced.events('connect', 'workload', 'connects').length, 8 * each);
        assert.equal(traced.events('accept', 'workload', 'sink').length, 8 * each);
        const images = new Set(traced.events('exec').map(({ image }) => image));
        assert.equal(images.size, traced.events('exec').length);
      });
    }

    test(`${returning} programs that return at once are told with arguments, parent and user`, async () => {
      const traced = await traceGuest(guest, { budget });
      await guest.run(`su user -c "workload execs ${returning}"`, loopsMs);
      await settle(traced);
      await traced.close();
      assertWhole(traced);
      const [loop] = traced.events('exec', 'workload', 'execs');
      const told = traced.events('exec', 'workload', 'exit');
      assert.equal(told.length, returning);
      for (const event of told) {
        assert.deepEqual(event.argv, ['workload', 'exit']);
        assert.deepEqual([event.ppid, event.parentExe, event.uid], [loop?.pid, '/bin/workload', 1000]);
        assert.deepEqual(event.parentArgv, ['workload', 'execs', String(returning)]);
      }
    });
  });

  describe('by breakpoints, as under KVM', () => {
    for (const kernel of kernelReleases) {
      test(`Linux ${kernel}: what four of them can show is told once each`, async () => {
        const guest = await tracedGuest(kernel);
        const traced = await traceGuest(guest, { technique: 'code' });
        assert.deepEqual(traced.trace.coverage.covered, ['exec', 'connect', 'listen']);
        await guest.run(
          'workload sink 7003 & sleep 0.5; workload execs 4 & workload connects 127.0.0.1 7003 4; wait %2; kill %1',
          limitMs,
        );
        await settle(traced);
        await traced.close();
        assertWhole(traced);
        assert.equal(traced.events('exec', 'workload', 'exit').length, 4);
        assert.equal(traced.events('connect', 'workload', 'connects').length, 4);
        assert.equal(traced.events('listen', 'workload', 'sink').length, 1);
      });
    }
  });
});
