// Looks into real guests of every supported kernel and holds what it sees against what the guest says of itself.
// The guests differ in everything that decides where a kernel lies: processors, page tables, machine, size and kind of memory.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { lookInside } from '../../e2e/guest-truth.ts';
import type { Truth } from '../../e2e/guest-truth.ts';
import type { Guest } from '../../lab/guest.ts';
import { bootPlainGuest } from '../../lab/plain-guest.ts';
import type { PlainGuestOptions } from '../../lab/plain-guest.ts';
import { sayProblem } from '../kit/problem.ts';
import type { Result } from '../kit/result.ts';
import type { GuestSession } from './guest-session.ts';
import type { SocketView, SweepResult, TaskView } from './guest/guest-view.ts';
import { attach, findGuests } from './introspection.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-profiles-'));
after(() => rmSync(profileDirectory, { recursive: true, force: true }));

const machines: readonly (PlainGuestOptions & { readonly says: string })[] = [
  { says: '5.10, memory in a memfd', kernel: '5.10', hardware: { memory: 'memfd' } },
  {
    says: '6.1, two processors, isolated page tables',
    kernel: '6.1',
    hardware: { vcpus: 2 },
    append: ['pti=on'],
  },
  { says: '6.12, memory beyond 4 GiB', kernel: '6.12', hardware: { memoryMib: 2900, machine: 'q35' } },
  {
    says: '7, five-level page tables, memory in a file',
    kernel: '7',
    hardware: { cpu: 'max,-cx16', memory: 'file', vcpus: 2 },
  },
];

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

/** Under emulation on a loaded host a kernel panics in its own boot once in a while, looked at or not: one more try. */
async function boot(machine: PlainGuestOptions): Promise<Guest> {
  const options = { ...machine, name: `look-${machine.kernel}` };
  const first = await bootPlainGuest(options);
  return first.ok ? first.value : must(await bootPlainGuest(options));
}

async function attachTo(guest: Guest): Promise<GuestSession> {
  const handle = must(findGuests()).find((found) => found.pid === guest.pid());
  assert.ok(handle !== undefined, 'the guest is found among the processes of the host');
  assert.equal(handle.name, guest.name);
  assert.equal(handle.uuid, guest.uuid);
  return must(await attach(handle, { clock, profileDirectory }));
}

for (const machine of machines) {
  describe(machine.says, { timeout: 300_000 }, () => {
    let guest: Guest;
    let session: GuestSession;
    after(async () => {
      session?.close();
      await guest?.stop();
    });

    test('is attached to without being configured', async () => {
      guest = await boot(machine);
      await guest.run(scene);
      await wait(300);
      session = await attachTo(guest);
      assert.equal(session.profileFrom, 'memory');
      assert.match(session.identity.banner, new RegExp(`^Linux version ${machine.kernel}\\.`));
      assert.match(session.identity.buildId, /^[0-9a-f]{40}$/);
      assert.equal(session.identity.hostname, (await guest.run('hostname')).out.trim());
      assert.equal(session.identity.cpus, machine.hardware?.vcpus ?? 1);
      assert.equal(session.identity.bootedBy, 'guest-clock');
      const upSeconds = Number((await guest.run('cut -d. -f1 /proc/uptime')).out);
      assert.ok(Math.abs(Date.now() - session.identity.bootedMs - upSeconds * 1000) < 5000);
    });

    test('shows the processes the guest sees, field by field', async () => {
      const { seen, truth } = await agreeing(guest, session, {});
      assert.deepEqual(seen.tasks.map(taskLine).sort(), truth.tasks.map(trueTaskLine).sort());
      assert.equal(seen.complete, true, JSON.stringify(seen.notes));
    });

    test('shows threads when asked', async () => {
      const { seen, truth } = await agreeing(guest, session, { threads: true });
      assert.deepEqual(seen.tasks.map(threadLine).sort(), truth.tasks.map(threadLine).sort());
      assert.ok(
        seen.tasks.some((task) => task.pid !== task.tgid),
        'the scene has a program with threads',
      );
    });

    test('shows the sockets the guest sees, with who holds them', async () => {
      const { seen, truth } = await agreeing(guest, session, {});
      const network = seen.tasks.find((task) => task.pid === 1)?.namespaces?.net;
      const mine = seen.sockets.filter((socket) => socket.netNamespace === network);
      assert.deepEqual(mine.map(socketLine).sort(), truth.sockets.map(trueSocketLine).sort());
      for (const state of ['LISTEN', 'ESTABLISHED', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE']) {
        assert.ok(
          mine.some((socket) => socket.state === state),
          `the scene has a socket in state ${state}`,
        );
      }
      assert.ok(seen.sockets.some((socket) => socket.netNamespace !== network && socket.localPort === 7400));
    });

    test('shows the modules the guest has loaded', async () => {
      const { out } = await guest.run('cut -d" " -f1 /proc/modules');
      const { modules, complete } = must(session.modules());
      assert.deepEqual(modules.map((module) => module.name).sort(), out.trim().split('\n').sort());
      assert.ok(complete && modules.every((module) => module.sizeBytes > 0 && module.base.startsWith('0xffffffff')));
    });

    test('gives an unchanged task as the same object, and another program under the same pid as another', async () => {
      await guest.run(`sh -c 'sleep 2; exec workload hold' </dev/null >/dev/null 2>&1 & echo $! > /tmp/pid; sleep 0.3`);
      const pid = Number((await guest.run('cat /tmp/pid')).out);
      const before = must(session.sweep());
      const again = must(session.sweep());
      const kept = again.tasks.filter((task) => before.tasks.includes(task)).length;
      assert.ok(kept >= again.tasks.length - 8, `${kept} of ${again.tasks.length} are the same objects`);
      const shell = again.tasks.find((task) => task.pid === pid);
      assert.equal(shell?.argv?.[0], 'sh');
      await until(() => must(session.sweep()).tasks.some((task) => task.pid === pid && task.comm === 'workload'));
      const program = must(session.sweep()).tasks.find((task) => task.pid === pid);
      assert.deepEqual(program?.argv, ['workload', 'hold']);
      assert.equal(program?.startedAfterBootUs, shell?.startedAfterBootUs);
      assert.notEqual(program?.id, shell?.id);
    });

    test('counts forks as they happen', async () => {
      const before = session.activity();
      await guest.run('workload execs 20');
      const now = session.activity();
      assert.ok(now.forks - before.forks >= 20 && now.forks - before.forks < 60, `${now.forks - before.forks} forks`);
      assert.ok(now.ticks > before.ticks);
      assert.deepEqual(await session.check(), { state: 'same' });
    });

    test('is recognised by its build the next time; a damaged profile is learned anew', async () => {
      session.close();
      session = await attachTo(guest);
      assert.equal(session.profileFrom, 'cache');
      const files = readdirSync(profileDirectory).filter((name) => name.startsWith(session.identity.buildId));
      assert.equal(files.length, 1);
      session.close();
      writeFileSync(join(profileDirectory, files[0] ?? ''), '{"format":"');
      session = await attachTo(guest);
      assert.equal(session.profileFrom, 'memory');
      assert.ok(must(session.sweep()).tasks.length > 10);
    });

    test('is known to be another system after a reset', async () => {
      await guest.qmp().execute('system_reset');
      await wait(200);
      const told = await session.check();
      assert.equal(told.state, 'changed');
      const sweep = session.sweep();
      assert.ok(!sweep.ok && sweep.error.kind === 'failed');
    });

    test('is said to be booting until it has booted, then attached to again', async () => {
      session.close();
      const handle = must(findGuests()).find((found) => found.pid === guest.pid());
      assert.ok(handle !== undefined);
      const said = new Set<string>();
      await until(async () => {
        const attached = await attach(handle, { clock, profileDirectory });
        if (attached.ok) session = attached.value;
        else said.add(`${attached.error.kind}: ${attached.error.message}`);
        return attached.ok;
      });
      // `refused`: an emulated machine in its firmware can be too busy to greet.
      assert.ok(said.size > 0 && [...said].every((line) => /^(unreadable|refused): /.test(line)), [...said].join('\n'));
      assert.ok(must(session.sweep()).tasks.some((task) => task.pid === 1));
      assert.deepEqual(await session.check(), { state: 'same' });
    });

    test('is known to be gone when its QEMU ends', async () => {
      await guest.stop();
      assert.equal((await session.check()).state, 'gone');
      assert.ok(!session.sweep().ok);
    });
  });
}

/** One of every kind of process and socket, held until the guest ends. */
const scene = `
  keep() { "$@" </dev/null >/dev/null 2>&1 & }
  keep workload user 1000
  cp /bin/workload /tmp/gone; keep /tmp/gone deleted
  keep workload memfd evil kworker/0:9 hold
  mkdir -p /sys/fs/cgroup/web.slice/shop
  keep sh -c 'echo 0 > /sys/fs/cgroup/web.slice/shop/cgroup.procs; exec workload listen 7100'
  mkdir -p /mnt; mount -t tmpfs other /mnt; cp /bin/workload /mnt/app; keep /mnt/app listen6 7101
  keep workload threads 3
  keep workload pair 7200
  keep workload udp 7300
  keep unshare -p -n -m -f workload listen 7400
  keep workload hold "" "an argument with spaces" "ünïcode"
  httpd -p 7600 -h /etc; sleep 0.3
  keep workload connect 127.0.0.1 7100
  # Nobody accepts these: what is left of them waits in FIN_WAIT2. The web server closes first: that one is in TIME_WAIT.
  workload connects 127.0.0.1 7100 3
  wget -q -O /dev/null http://127.0.0.1:7600/passwd`;

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, 'waited a minute in vain');
    await wait(100);
  }
}

/** A sweep between two equal truths: what the guest does by itself meanwhile cannot be told from a mistake. */
async function agreeing(
  guest: Guest,
  session: GuestSession,
  options: { readonly threads?: boolean },
): Promise<{ readonly seen: SweepResult; readonly truth: Truth }> {
  const facts = (truth: Truth): string =>
    JSON.stringify([truth.tasks.map(trueTaskLine).sort(), truth.sockets.map(trueSocketLine).sort()]);
  let before = await lookInside(guest, options);
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const seen = must(session.sweep(options));
    const truth = await lookInside(guest, options);
    if (facts(before) === facts(truth)) return { seen, truth };
    before = truth;
  }
  return assert.fail('the guest never held still');
}

/** Workers of the kernel rename themselves all the time, and /proc decorates their names. */
function commOf(task: { readonly kernelThread: boolean; readonly comm: string }): string {
  return task.kernelThread ? task.comm.replace(/[-:+/].*$/, '').slice(0, 15) : task.comm;
}

function taskLine(task: TaskView): string {
  const startTicks = Math.floor(task.startedAfterBootUs / 10_000);
  const { pid, mnt, net } = task.namespaces ?? {};
  return JSON.stringify([
    task.pid,
    task.ppid,
    task.uid,
    task.euid,
    task.kernelThread,
    startTicks,
    commOf(task),
    task.exe,
    task.argv ?? [],
    task.cgroup,
    pid,
    mnt,
    net,
  ]);
}

function trueTaskLine(task: Truth['tasks'][number]): string {
  const exe = task.exe === null ? null : task.exe + (task.deleted ? ' (deleted)' : '');
  const { pid, mnt, net } = task.namespaces;
  return JSON.stringify([
    task.pid,
    task.ppid,
    task.uid,
    task.euid,
    task.kernelThread,
    task.startTicks,
    commOf(task),
    exe,
    task.argv,
    task.cgroup,
    pid,
    mnt,
    net,
  ]);
}

function threadLine(task: {
  readonly pid: number;
  readonly tgid: number;
  readonly kernelThread: boolean;
  readonly comm: string;
}): string {
  return `${task.pid} ${task.tgid} ${commOf(task)}`;
}

function socketLine(socket: SocketView): string {
  const state = socket.protocol === 'udp' && socket.state === 'CLOSE' ? 'UNCONN' : socket.state;
  const pids = idsOf(socket.holders.map((holder) => holder.pid));
  return `${socket.protocol}${socket.family} ${socket.localAddress} ${socket.localPort} ${socket.remoteAddress} ${socket.remotePort} ${state} ${pids}`;
}

function trueSocketLine(socket: Truth['sockets'][number]): string {
  const pids = idsOf(socket.pids);
  return `${socket.proto}${socket.family} ${socket.localAddr} ${socket.localPort} ${socket.remoteAddr} ${socket.remotePort} ${socket.state} ${pids}`;
}

function idsOf(pids: readonly number[]): string {
  return [...new Set(pids)].sort((one, other) => one - other).join();
}
