// Hides processes of real guests, gives them rights no call gives, runs odd code in them, each alone, and asks for its name; nothing
// else may be named, and heavy forking names nothing.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { kernelReleases } from '../../../../lab/kernels.ts';
import { ProcessRecords } from '../../../../lab/process-records.ts';
import { counted, sampled } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { openKernelSpace, tamper } from '../../../../lab/tampering.ts';
import type { Patch } from '../../../../lab/tampering.ts';
import { sayProblem } from '../../../kit/problem.ts';
import type { Result } from '../../../kit/result.ts';
import type { GuestSession } from '../../guest-session.ts';
import { attach, findGuests } from '../../introspection.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import type { IntegrityCheck } from '../integrity-view.ts';
import { looksToBelieve } from './persistence.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patienceMs = 20_000;
const noId = Buffer.alloc(8);
const root = Buffer.alloc(4);

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

/** `kind subject` of every finding, sorted. */
function named(checks: readonly IntegrityCheck[]): readonly string[] {
  return checks.flatMap(({ findings }) => findings.map(({ kind, subject }) => `${kind} ${subject}`)).sort();
}

for (const release of sampled(kernelReleases, 1, 'processes')) {
  suite(`the processes of Linux ${release}`, { timeout: counted(300_000, 900_000) }, () => {
    let guest: Guest;
    let session: GuestSession;
    let space: KernelSpace;
    let records: ProcessRecords;
    let victim: number;
    before(async () => {
      guest = await sharedGuest(release);
      await guest.run('(workload user 1000 >/dev/null 2>&1 &); (workload threads 2 >/dev/null 2>&1 &); sleep 0.5');
      const handle = must(findGuests()).find((found) => found.pid === guest.pid());
      assert.ok(handle !== undefined);
      session = must(await attach(handle, { clock, profileDirectory: null }));
      space = await openKernelSpace(guest);
      records = new ProcessRecords(space);
      victim = must(session.sweep()).tasks.find(({ comm, uid }) => comm === 'workload' && uid === 1000)?.pid ?? 0;
      assert.ok(victim > 0);
    });
    after(async () => {
      space?.pages.memory.close();
      session?.close();
      await guest?.run('killall workload odd-code gone 2>/dev/null; rm -f /tmp/gone');
    });

    /** Looks until the findings are as expected and have settled, or patience ends; answers the last look. */
    async function looked(expected: readonly string[]): Promise<readonly IntegrityCheck[]> {
      const deadline = performance.now() + patienceMs;
      let checks: readonly IntegrityCheck[] = [];
      for (let agreed = 0; agreed < looksToBelieve && performance.now() < deadline;) {
        checks = must(session.checkProcesses());
        agreed = JSON.stringify(named(checks)) === JSON.stringify(expected) ? agreed + 1 : 0;
        await wait(100);
      }
      return checks;
    }

    async function planted(patches: readonly Patch[], expected: readonly string[]): Promise<void> {
      const tampered = await tamper(guest, patches);
      try {
        assert.deepEqual(named(await looked(expected)), expected);
      } finally {
        await tampered.undo();
        records.renew();
      }
      assert.deepEqual(named(await looked([])), []);
    }

    const credentials = (task: PhysicalAddress): PhysicalAddress =>
      records.pointer(task + records.field('task_struct.real_cred'));

    test('are sound before anything is planted, and every part was seen', async () => {
      const checks = await looked([]);
      assert.deepEqual(named(checks), []);
      assert.deepEqual(
        checks.map(({ check }) => check),
        ['hidden-processes', 'credentials', 'running-programs', 'mapped-code', 'executable-contents'],
      );
      assert.deepEqual(
        checks.flatMap(({ couldNotSee }) => couldNotSee),
        [],
      );
    });

    test('one taken off the list of processes is named', async () => {
      records.renew();
      const task = records.task(victim);
      const expected = [`hidden-process process ${victim} (workload)`];
      await planted(records.unlink(task + records.field('task_struct.tasks')), expected);
    });

    test('one taken out of the table of process ids is named', async () => {
      records.renew();
      const patches = [{ address: records.idSlot(victim), bytes: noId }];
      await planted(patches, [`hidden-process process ${victim} (workload)`]);
    });

    test('one taken from the children of its parent is named', async () => {
      records.renew();
      const task = records.task(victim);
      const expected = [`hidden-process process ${victim} (workload)`];
      await planted(records.unlink(task + records.field('task_struct.sibling')), expected);
    });

    test('a thread taken off its process is named', async () => {
      records.renew();
      const withThreads = must(session.sweep({ threads: true })).tasks.find(({ pid, tgid }) => pid !== tgid)?.tgid ?? 0;
      const [thread] = records.threads(records.task(withThreads));
      assert.ok(thread !== undefined);
      const pid = records.number(thread + records.field('task_struct.pid'));
      const expected = [`hidden-thread thread ${pid} of ${withThreads} (workload)`];
      await planted(records.unlink(thread + records.field('task_struct.thread_node')), expected);
    });

    test('one given another number than it is entered under is named', async () => {
      records.renew();
      const address = records.task(victim) + records.field('task_struct.pid');
      const forged = Buffer.alloc(4);
      forged.writeUInt32LE(victim + 10_000);
      // Its first thread no longer bears the process's number: that is how it shows.
      await planted(
        [{ address, bytes: forged }],
        [`forged-process-id thread ${victim + 10_000} of ${victim} (workload)`],
      );
    });

    test('one that becomes root without a call is named', async () => {
      records.renew();
      const cred = credentials(records.task(victim));
      const patches = (['cred.uid', 'cred.euid'] as const).map((field) => ({
        address: cred + records.field(field),
        bytes: root,
      }));
      await planted(patches, [`changed-credentials process ${victim} (workload)`]);
    });

    test('one that gains capabilities without a call is named', async () => {
      records.renew();
      const address = credentials(records.task(victim)) + records.field('cred.cap_permitted');
      await planted(
        [{ address, bytes: Buffer.from([0, 0, 0x20]) }],
        [`changed-credentials process ${victim} (workload)`],
      );
    });

    test('one that takes the credentials of another process is named, and so is that one', async () => {
      records.renew();
      const task = records.task(victim);
      const first = records.task(1);
      const stolen = records.bytes(first + records.field('task_struct.real_cred'), 8);
      await planted(
        (['task_struct.real_cred', 'task_struct.cred'] as const).map((field) => ({
          address: task + records.field(field),
          bytes: stolen,
        })),
        [
          `changed-credentials process ${victim} (workload)`,
          'shared-credentials process 1 (init)',
          `shared-credentials process ${victim} (workload)`,
        ],
      );
    });

    test('a program whose pages are changed in memory, its file untouched, is named', async () => {
      records.renew();
      const file = records.pointer(
        records.pointer(records.task(victim) + records.field('task_struct.mm')) + records.field('mm_struct.exe_file'),
      );
      const mapping = records.pointer(
        records.pointer(file + records.field('file.f_inode')) + records.field('inode.i_mapping'),
      );
      const page = records.pageOf(mapping, 8);
      const checks = must(session.checkProcesses());
      const users = must(session.sweep()).tasks.filter(({ exe }) => exe === '/bin/workload').length;
      assert.ok(users > 1 && named(checks).length === 0);
      const tampered = await tamper(guest, [{ address: page + 4000, bytes: Buffer.from([0x0f, 0x0b]) }]);
      const found = must(session.checkProcesses()).flatMap(({ findings }) => findings);
      await tampered.undo();
      records.renew();
      assert.deepEqual(
        found.map(({ kind, certainty, facts }) => ({
          kind,
          certainty,
          file: facts['file'],
          pages: facts['pages'],
          at: facts['firstOffset'],
        })),
        [{ kind: 'changed-executable', certainty: 'certain', file: '/bin/workload', pages: 1, at: 8 * 4096 }],
      );
      assert.deepEqual(named(await looked([])), []);
    });

    for (const [kind, finding] of [
      ['writable', 'writable-code'],
      ['anonymous', 'anonymous-code'],
      ['patched', 'patched-code'],
      ['restored', null],
    ] as const) {
      test(`code that is ${kind} is ${finding === null ? 'no finding' : 'named'}`, async () => {
        await guest.run(`(odd-code ${kind} >/tmp/odd 2>&1 &); until grep -q held /tmp/odd; do sleep 0.1; done`);
        const pid = Number((await guest.run('pidof odd-code')).out.trim());
        const expected = finding === null ? [] : [`${finding} process ${pid} (odd-code)`];
        const checks = await looked(expected);
        assert.deepEqual(named(checks), expected);
        assert.ok(checks.every(({ findings }) => findings.every(({ certainty }) => certainty === 'suspicious')));
        await guest.run('killall odd-code; rm -f /tmp/odd; sleep 0.2');
        assert.deepEqual(named(await looked([])), []);
      });
    }

    test('one that is traced, one whose file is gone and one that never had one are named', async () => {
      await guest.run(
        '(odd-code traced >/tmp/odd 2>&1 &); until [ "$(grep -c held /tmp/odd)" = 2 ]; do sleep 0.1; done',
      );
      await guest.run(
        'cp /bin/workload /tmp/gone; (/tmp/gone deleted >/dev/null 2>&1 &); (workload memfd odd odd-memory hold >/dev/null 2>&1 &); sleep 0.5',
      );
      const tasks = must(session.sweep()).tasks;
      const tracer = tasks.find(({ comm, ppid }) => comm === 'odd-code' && ppid === 1)?.pid ?? 0;
      const traced = tasks.find(({ ppid }) => ppid === tracer && tracer > 0)?.pid;
      const gone = tasks.find(({ exe }) => exe === '/tmp/gone (deleted)');
      const memory = tasks.find(({ exe }) => exe === '/memfd:odd (deleted)');
      const expected = [
        `deleted-executable process ${gone?.pid} (${gone?.comm})`,
        `memory-executable process ${memory?.pid} (${memory?.comm})`,
        `traced-process process ${traced} (odd-code)`,
      ];
      const checks = await looked(expected);
      assert.deepEqual(named(checks), expected);
      const finding = checks.flatMap(({ findings }) => findings).find(({ kind }) => kind === 'traced-process');
      assert.equal(finding?.facts['tracer'], tracer);
      await guest.run(`kill -9 ${[tracer, traced, gone?.pid, memory?.pid].join(' ')}; rm -f /tmp/odd`);
      assert.deepEqual(named(await looked([])), []);
    });

    test('that come and go by the thousand raise nothing', async () => {
      const seconds = counted(10, 600);
      const done = guest.run(
        `workload churn ${seconds} 6; (for i in 1 2 3 4 5 6 7 8; do su user -c true; done) 2>/dev/null`,
        (seconds + 60) * 1000,
      );
      const until = performance.now() + seconds * 1000;
      let looks = 0;
      let unsound = 0;
      while (performance.now() < until) {
        const checks = must(session.checkProcesses());
        assert.deepEqual(named(checks), []);
        looks += 1;
        if (checks[0]?.couldNotSee.length !== 0) unsound += 1;
        await wait(40);
      }
      await done;
      assert.ok(looks > 20 && unsound < looks / 2, `${unsound} of ${looks} looks did not see every process`);
    });
  });
}
