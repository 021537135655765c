// What a kernel legitimately does to itself raises nothing: tracers and probes on and off, modules in and out, jump labels switched,
// thousands of forks, all while the kernel and its processes are being checked.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { kernelReleases } from '../../../../lab/kernels.ts';
import { counted, isSoak, sampled } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { sayProblem } from '../../../kit/problem.ts';
import type { Result } from '../../../kit/result.ts';
import type { GuestSession } from '../../guest-session.ts';
import { attach, findGuests } from '../../introspection.ts';
import type { IntegrityCheck } from '../integrity-view.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const releases = sampled(kernelReleases, 1, 'quiet kernel');
/** Shared out over the kernels: 20 s, or ten minutes under soak. */
const unrestMs = counted(20_000, 600_000) / releases.length;
const pauseMs = 50;
/** For the last round of unrest to end: a guest whose every function is traced crawls. */
const settleMs = 180_000;

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

const mounts = `
  mkdir -p /sys/kernel/tracing; mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
  test -f /sys/kernel/tracing/current_tracer`;

/** Each line leaves the guest as it found it; a round takes some seconds. Tracing every function makes an emulated guest crawl. */
const unrest = `
  cd /sys/kernel/tracing
  functions='${isSoak ? '*' : 'vfs_*'}'
  rounds=0
  while [ -e /tmp/unrest ]; do
    echo "$functions" > set_ftrace_filter
    echo function > current_tracer; sleep 0.1; echo nop > current_tracer
    echo 1 > /proc/sys/kernel/sched_schedstats; sleep 0.1; echo 0 > /proc/sys/kernel/sched_schedstats
    insmod /modules/dummy.ko && sleep 0.1; rmmod dummy
    echo 'p:entry do_sys_openat2' > kprobe_events && echo 1 > events/kprobes/enable
    cat /etc/passwd > /dev/null; sleep 0.1
    echo 0 > events/kprobes/enable; echo > kprobe_events
    echo 'p:inside do_sys_openat2+0x21' > kprobe_events 2>/dev/null && echo 1 > events/kprobes/enable
    cat /etc/passwd > /dev/null; sleep 0.1
    echo 0 > events/kprobes/enable 2>/dev/null; echo > kprobe_events
    echo 1 > events/sched/enable; sleep 0.1; echo 0 > events/sched/enable
    workload execs 40 > /dev/null
    rounds=$((rounds + 1))
    echo $rounds > /tmp/unrest-rounds
  done
  rm -f /tmp/unrest-goes-on`;

function told(checks: readonly IntegrityCheck[]): readonly string[] {
  return checks.flatMap(({ check, findings }) =>
    findings.map(({ kind, subject, facts }) => `${check}: ${kind} ${subject} ${JSON.stringify(facts)}`),
  );
}

for (const release of releases) {
  suite(`the kernel ${release}, in unrest`, { timeout: unrestMs * 4 + settleMs + 300_000 }, () => {
    const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-unrest-'));
    let guest: Guest;
    let session: GuestSession;
    before(async () => {
      guest = await sharedGuest(release);
      assert.equal((await guest.run(mounts)).code, 0, 'the guest has tracefs');
      const handle = must(findGuests()).find((found) => found.pid === guest.pid());
      assert.ok(handle !== undefined);
      session = must(await attach(handle, { clock, profileDirectory }));
    });
    after(async () => {
      session?.close();
      await guest?.run('rm -f /tmp/unrest; rmmod dummy 2>/dev/null; umount /sys/kernel/tracing 2>/dev/null');
      rmSync(profileDirectory, { recursive: true, force: true });
    });

    test('raises nothing', async () => {
      const vmlinuz = readFileSync(guest.kernel.vmlinuz);
      assert.deepEqual(told(must(await session.kernelIntegrity({ vmlinuz })).checks), []);
      await guest.run(`touch /tmp/unrest /tmp/unrest-goes-on; (${unrest}) </dev/null >/tmp/unrest-log 2>&1 &`);
      const started = performance.now();
      const until = started + unrestMs;
      let looks = 0;
      let rounds = 0;
      let seen: readonly string[] = [];
      // On a busy machine the least that proves anything may take longer than the time that was set.
      const enough = (): boolean => performance.now() > until && looks >= 5 && rounds >= 1;
      while (!enough() && performance.now() < started + unrestMs * 4 && seen.length === 0) {
        seen = told([...must(await session.kernelIntegrity()).checks, ...must(session.checkProcesses())]);
        looks += 1;
        for (let step = 0; step < 64 && seen.length === 0; step += 1) {
          const whole = must(await session.kernelIntegrityStep());
          rounds += whole === null ? 0 : 1;
          seen = whole === null ? [] : told(whole.checks);
        }
        await wait(pauseMs);
      }
      await guest.run('rm -f /tmp/unrest; while [ -e /tmp/unrest-goes-on ]; do sleep 0.2; done', settleMs);
      const unrestRounds = Number((await guest.run('cat /tmp/unrest-rounds')).out);
      assert.deepEqual(seen, []);
      assert.ok(
        looks >= 5 && rounds >= 1 && unrestRounds >= 1,
        `${looks} looks, ${rounds} rounds, ${unrestRounds} of unrest`,
      );
    });

    test('shows what the guest is in while it lasts', async () => {
      await guest.run(
        `cd /sys/kernel/tracing; echo 'p:entry do_sys_openat2' > kprobe_events; echo 1 > events/kprobes/enable`,
      );
      const { state } = must(await session.kernelIntegrity());
      assert.deepEqual(state.probes, ['do_sys_openat2']);
      assert.equal(state.lockdown, 'none');
      assert.deepEqual(state.promiscuousInterfaces, []);
      await guest.run(`cd /sys/kernel/tracing; echo 0 > events/kprobes/enable; echo > kprobe_events`);
      await guest.run('insmod /modules/dummy.ko numdummies=1 2>/dev/null; ip link set dummy0 promisc on');
      const watched = must(await session.kernelIntegrity()).state;
      assert.deepEqual(watched.promiscuousInterfaces, ['dummy0']);
      await guest.run('ip link set dummy0 promisc off; rmmod dummy');
    });
  });
}
