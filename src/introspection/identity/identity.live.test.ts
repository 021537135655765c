// Holds the hashes taken from outside against what the guest's own sha256sum says, for every way a program comes to run.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { bootGuest, type Guest } from '../../../lab/guest.ts';
import { kernelReleases } from '../../../lab/kernels.ts';
import { sampled } from '../../../lab/scale.ts';
import { preparePlainGuest } from '../../../lab/plain-guest.ts';
import { makeRunDirectory } from '../../../lab/run-directory.ts';
import { sharedGuest } from '../../../lab/shared-guests.ts';
import { buildTierDisk } from '../../../lab/tier-disk.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { monitorProblem } from '../../protocols/qmp/monitor.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { GuestHandle } from '../hypervisor/guest-handle.ts';
import { openMonitor } from '../hypervisor/open-monitor.ts';
import type { GuestSession } from '../guest-session.ts';
import type { TaskView } from '../guest/guest-view.ts';
import { attach, findGuests } from '../introspection.ts';
import type { ExecutableIdentity, HashLimits } from './executable-identity.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const bigMib = 20;

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

/** Programs of a disk, each held. */
const onDisk = `
  keep() { "$@" </dev/null >/dev/null 2>&1 & }
  cd /opt
  keep /usr/bin/dash -c 'sleep 100000; true'
  cp /usr/bin/busybox static; mkdir -p bin; cp static bin/sleep; keep bin/sleep 100001
  mkdir -p gone; cp static gone/sleep; sha256sum gone/sleep > gone.sum; keep gone/sleep 100002
  { cat /usr/bin/sleep; head -c ${bigMib}000000 /dev/urandom; } > big; chmod +x big; sync; keep ./big 100003
  printf '#!/usr/bin/dash\\nwhile :; do sleep 100008; done\\n' > script; chmod +x script; keep ./script
  sleep 0.5; rm gone/sleep`;

/** Programs of no disk, each held: memory is all there is of them. */
const inMemory = `
  keep() { "$@" </dev/null >/dev/null 2>&1 & }
  keep workload hold 100010
  keep workload memfd odd odd-memory hold 100011
  mkdir -p /tmp/identity/huge && cd /tmp/identity && mount -t tmpfs -o huge=always huge huge
  { cat /bin/workload; head -c ${bigMib}000000 /dev/urandom; } > huge/big; chmod +x huge/big; keep huge/big hold 100012
  truncate -s 8M holes; cat /bin/workload > top; dd if=top of=holes conv=notrunc 2>/dev/null; chmod +x holes; keep ./holes hold 100013
  insmod /modules/overlay.ko; mkdir lower upper work merged; cp /bin/workload lower/below
  mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work merged merged
  cp /bin/workload merged/above; echo >> merged/above; keep merged/below hold 100014; keep merged/above hold 100015
  sleep 0.5`;
const cleanUp = `
  killall workload below above big holes odd-memory memfd:odd 2>/dev/null; pkill -9 -f 'hold 1000'; sleep 0.3
  umount /tmp/identity/merged /tmp/identity/huge; rm -rf /tmp/identity; rmmod overlay`;

for (const release of sampled(kernelReleases, 2, 'identity')) {
  suite(`programs of a disk on Linux ${release}`, { timeout: 300_000 }, () => {
    let guest: Guest;
    let session: GuestSession;
    let tasks: readonly TaskView[];
    before(async () => {
      const parts = must(await preparePlainGuest(release));
      const runDirectory = await makeRunDirectory('identity');
      const disk = must(await buildTierDisk('app'));
      guest = must(await bootGuest({ ...parts, disk, name: `identity-${release}`, runDirectory }));
      await guest.run(onDisk, 60_000);
      session = await attachTo(guest);
      tasks = must(session.sweep()).tasks;
    });
    after(async () => {
      session?.close();
      await guest?.stop();
    });

    for (const [what, mark, path] of [
      ['with libraries', 'sleep 100000; true', '/usr/bin/dash'],
      ['of its own', '100001', '/opt/bin/sleep'],
      [`of ${bigMib} MB`, '100003', '/opt/big'],
    ] as const) {
      test(`one ${what} has the hash that the guest gives it`, async () => {
        const identity = must(await session.hash(pidOf(tasks, mark)));
        assert.deepEqual(told(identity), {
          path,
          fileSystem: 'ext4',
          sha256: await sum(guest, path),
          missing: 0,
          why: null,
        });
        // Whether all of it is in memory is the guest's business; where it came from is said as it was.
        assert.equal(identity.from, identity.pagesFromDisk > 0 ? 'disk' : 'page-cache');
        const facts = (await guest.run(`stat -Lc '%i %s %Y' ${path}`)).out.trim();
        assert.equal(`${identity.inode} ${identity.sizeBytes} ${Math.floor(identity.mtimeMs / 1000)}`, facts);
      });
    }

    test('one that was deleted has the hash that its file had', async () => {
      const identity = must(await session.hash(pidOf(tasks, '100002')));
      assert.equal(identity.path, '/opt/gone/sleep (deleted)');
      assert.equal(identity.sha256, (await guest.run('cat /opt/gone.sum')).out.slice(0, 64));
    });

    test('its script and its libraries are among its files, and have their hashes', async () => {
      const pid = pidOf(tasks, './script');
      const files = must(session.files(pid));
      for (const path of ['/opt/script', '/usr/lib/x86_64-linux-gnu/libc.so.6', '/usr/bin/dash']) {
        const found = files.find((file) => file.path === path);
        assert.ok(found !== undefined, `${path} is not among ${files.map((file) => file.path).join(' ')}`);
        assert.equal(found.code, path !== '/opt/script');
        assert.equal(must(await session.hash(pid, { file: found.file })).sha256, await sum(guest, path));
      }
    });

    test('what was thrown out of memory is read from the disk, and without one is said to be missing', async () => {
      await guest.run('sync; echo 3 > /proc/sys/vm/drop_caches');
      const pid = pidOf(tasks, '100003');
      session.close();
      const monitor = withoutDisks(must(await openMonitor(handleOf(guest))));
      const blind = await attachTo(guest, monitor);
      const partial = must(await blind.hash(pid));
      blind.close();
      monitor.close();
      session = await attachTo(guest);
      assert.deepEqual([partial.sha256, partial.from], [null, null]);
      assert.ok(partial.missingPages > partial.pages / 2 && partial.missingPages < partial.pages);
      assert.match(partial.why ?? '', /not all in the guest’s memory/);
      const whole = must(await session.hash(pid));
      assert.equal(whole.from, 'disk');
      assert.ok(whole.pagesFromDisk > whole.pages / 2 && whole.pagesFromDisk < whole.pages);
      assert.equal(whole.sha256, await sum(guest, '/opt/big'));
      assert.deepEqual(must(await guest.qmp().execute('query-block-exports')), [], 'QEMU still gives out a disk');
    });

    test('limits of size and time, interruption, and what is no program are said', async () => {
      const why = async (limits: HashLimits): Promise<string> =>
        must(await session.hash(pidOf(tasks, '100003'), { ...limits, afresh: true })).why ?? '';
      assert.match(await why({ sizeBytesMax: 1024 }), /larger than 1024 bytes/);
      assert.match(await why({ timeMsMax: 0 }), /longer than 0 ms/);
      assert.match(await why({ signal: AbortSignal.abort() }), /interrupted/);
      for (const pid of [tasks.find((task) => task.kernelThread)?.pid ?? 0, 4_000_000]) {
        const refused = await session.hash(pid);
        assert.ok(!refused.ok && refused.error.kind === 'not-found');
      }
      assert.ok(!(await session.hash(1, { file: 'descriptor:99999' })).ok);
    });
  });

  suite(`programs of no disk on Linux ${release}`, { timeout: 300_000 }, () => {
    let guest: Guest;
    let session: GuestSession;
    let tasks: readonly TaskView[];
    before(async () => {
      guest = await sharedGuest(release);
      await guest.run(inMemory, 60_000);
      session = await attachTo(guest);
      tasks = must(session.sweep()).tasks;
    });
    after(async () => {
      session?.close();
      await guest?.run(cleanUp);
    });

    for (const [what, mark, path, source] of [
      ['of the first file system', '100010', '/bin/workload', '/bin/workload'],
      ['of anonymous memory', '100011', '/memfd:odd (deleted)', '/bin/workload'],
      [`of ${bigMib} MB in huge pages`, '100012', '/tmp/identity/huge/big', '/tmp/identity/huge/big'],
      ['with holes', '100013', '/tmp/identity/holes', '/tmp/identity/holes'],
      ['of an overlay’s lower layer', '100014', '/tmp/identity/merged/below', '/tmp/identity/lower/below'],
      ['of an overlay’s upper layer', '100015', '/tmp/identity/merged/above', '/tmp/identity/upper/above'],
    ] as const) {
      test(`one ${what} has the hash that the guest gives it`, async () => {
        const identity = must(await session.hash(pidOf(tasks, mark)));
        const sha256 = await sum(guest, source);
        assert.deepEqual(told(identity), { path, fileSystem: 'tmpfs', sha256, missing: 0, why: null });
        assert.equal(identity.from, 'page-cache');
      });
    }

    test('the same version is hashed once, unless it is asked for afresh', async () => {
      const pid = pidOf(tasks, '100012');
      const first = must(await session.hash(pid));
      const began = performance.now();
      assert.deepEqual(must(await session.hash(pid)), first);
      const rememberedMs = performance.now() - began;
      const anew = performance.now();
      assert.equal(must(await session.hash(pid, { afresh: true })).sha256, first.sha256);
      assert.ok(rememberedMs < performance.now() - anew);
    });
  });
}

function pidOf(tasks: readonly TaskView[], mark: string): number {
  const found = tasks.find(({ argv }) => argv?.join(' ').includes(mark));
  assert.ok(found !== undefined, `nothing runs with ${mark}`);
  return found.pid;
}

async function sum(guest: Guest, path: string): Promise<string> {
  return (await guest.run(`sha256sum ${path}`, 60_000)).out.slice(0, 64);
}

function told({ path, fileSystem, sha256, missingPages, why }: ExecutableIdentity) {
  return { path, fileSystem, sha256, missing: missingPages, why };
}

function handleOf(guest: Guest): GuestHandle {
  const handle = must(findGuests()).find((found) => found.pid === guest.pid());
  assert.ok(handle !== undefined);
  return handle;
}

/** A monitor that is given stays the caller's to close. */
async function attachTo(guest: Guest, monitor?: Monitor): Promise<GuestSession> {
  const options = { clock, profileDirectory: null, ...(monitor === undefined ? {} : { monitor }) };
  return must(await attach(handleOf(guest), options));
}

/** A monitor that gives out no disks, as libvirt's may be confined not to. */
function withoutDisks(monitor: Monitor): Monitor {
  return {
    ...monitor,
    execute: async (command, args, options) =>
      command.startsWith('nbd')
        ? { ok: false, error: monitorProblem({ kind: 'refused', message: 'No disks here.' }) }
        : monitor.execute(command, args, options),
    hmp: async (line, options) => monitor.hmp(line, options),
    subscribe: (listener) => monitor.subscribe(listener),
    closed: monitor.closed,
    close: () => monitor.close(),
  };
}
