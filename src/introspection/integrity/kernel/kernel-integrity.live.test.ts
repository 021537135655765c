// Plants in real guests what an intruder in the kernel plants, each thing alone, and asks for its name; nothing else may be named.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Guest } from '../../../../lab/guest.ts';
import { kernelReleases } from '../../../../lab/kernels.ts';
import { sampled } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { openKernelSpace, tamper, word } from '../../../../lab/tampering.ts';
import type { Patch } from '../../../../lab/tampering.ts';
import { sayProblem } from '../../../kit/problem.ts';
import type { Result } from '../../../kit/result.ts';
import type { GuestSession } from '../../guest-session.ts';
import { attach, findGuests } from '../../introspection.ts';
import { KernelInspector } from './kernel-inspector.ts';
import { KernelPlaces } from '../../../../lab/kernel-places.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-integrity-'));

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

/** `kind subject` of every finding, sorted. */
async function findings(session: GuestSession): Promise<readonly string[]> {
  const { checks } = must(await session.kernelIntegrity());
  return checks.flatMap((check) => check.findings.map(({ kind, subject }) => `${kind} ${subject}`)).sort();
}

for (const release of sampled(kernelReleases, 2, 'kernel integrity')) {
  suite(`the kernel ${release}, tampered with`, { timeout: 600_000 }, () => {
    let guest: Guest;
    let session: GuestSession;
    let places: KernelPlaces;
    before(async () => {
      guest = await sharedGuest(release);
      await guest.run('insmod /modules/dummy.ko');
      const handle = must(findGuests()).find((found) => found.pid === guest.pid());
      assert.ok(handle !== undefined);
      session = must(await attach(handle, { clock, profileDirectory }));
      places = new KernelPlaces(await openKernelSpace(guest));
      // The truth is taken before anything is planted, whichever test runs first.
      must(await session.kernelIntegrity({ vmlinuz: readFileSync(guest.kernel.vmlinuz) }));
    });
    after(async () => {
      places?.space.pages.memory.close();
      session?.close();
      await guest?.run('rmmod dummy');
      rmSync(profileDirectory, { recursive: true, force: true });
    });

    async function planted(patches: readonly Patch[], expected: readonly string[]): Promise<void> {
      const tampered = await tamper(guest, patches);
      try {
        assert.deepEqual(await findings(session), expected);
      } finally {
        await tampered.undo();
      }
      assert.deepEqual(await findings(session), []);
    }

    test('is sound before anything is planted, by the distribution’s own file', async () => {
      const whole = must(await session.kernelIntegrity());
      assert.equal(whole.baseline.source, 'kernel-image');
      assert.equal(whole.checks.length, 9);
      assert.deepEqual(
        whole.checks.flatMap((check) => check.findings),
        [],
      );
    });

    test('a changed byte of code', async () => {
      const { offset, name } = places.idleCode();
      const address = places.physical(offset);
      await planted([{ address, bytes: Buffer.from([places.byteAt(offset) ^ 0x55]) }], [`patched-kernel-code ${name}`]);
    });

    test('a call in the place where the kernel lets tracers in', async () => {
      const { offset, name } = places.idleTraceSite();
      const jump = Buffer.from('e800000000', 'hex');
      jump.writeInt32LE(places.offsetOf('kernel_halt') - (offset + 5), 1);
      await planted([{ address: places.physical(offset), bytes: jump }], [`hook-in-patch-site ${name}`]);
    });

    test('a jump label that leads elsewhere', async () => {
      const { offset, name } = places.idleJumpLabel();
      const wide = places.byteAt(offset) === 0x0f || places.byteAt(offset) === 0xe9;
      const bytes = wide ? Buffer.from('e900000000', 'hex') : Buffer.from('eb00', 'hex');
      if (wide) bytes.writeInt32LE(0x1234, 1);
      else bytes.writeInt8(0x7f, 1);
      const tampered = await tamper(guest, [{ address: places.physical(offset), bytes }]);
      const found = await findings(session);
      await tampered.undo();
      assert.equal(found.length, 1);
      assert.equal(found[0], `hook-in-patch-site ${name}`);
    });

    test('an entry of the system call table', async () => {
      const at = places.offsetOf('sys_call_table') + 246 * 8;
      await planted(
        [{ address: places.physical(at), bytes: word(0xffff_ffff, 0xc000_1234) }],
        ['hooked-table-entry sys_call_table+0x7b0'],
      );
    });

    test('a function of a protocol', async () => {
      const { offset, name } = places.protocolFunction();
      await planted(
        [{ address: places.physical(offset), bytes: word(0xffff_ffff, 0xc000_1234) }],
        [`hooked-table-entry ${name}`],
      );
    });

    test('a gate of the interrupt table', async () => {
      const gate = places.physical(places.offsetOf('idt_table') + 200 * 16);
      await planted([{ address: gate, bytes: Buffer.from([0x34, 0x12]) }], ['hooked-interrupt interrupt 200']);
    });

    test('a notifier', async () => {
      await planted(
        [{ address: places.dieNotifier(), bytes: word(0xffff_ffff, 0xc000_1234) }],
        ['hooked-function notifier die_chain[0]'],
      );
    });

    test('the operations of /proc', async () => {
      await planted(
        [{ address: places.procRootOperations(), bytes: word(0xffff_ffff, 0xc000_1234) }],
        ['foreign-operations file operations of proc'],
      );
    });

    test('code of a module', async () => {
      const address = places.moduleCode('dummy');
      await planted([{ address, bytes: Buffer.from([0xcc, 0x55, 0xcc]) }], ['patched-module-code module dummy+0x40']);
    });

    test('a module taken off the list', async () => {
      const tampered = await tamper(guest, places.unlinkModule('dummy'));
      const { out } = await guest.run('cut -d" " -f1 /proc/modules');
      const found = await findings(session);
      await tampered.undo();
      assert.ok(!out.split('\n').includes('dummy'), 'the guest itself does not see it any more');
      assert.equal(found[0], 'hidden-module module dummy');
      assert.match(found.slice(1).join('\n'), /^unowned-kernel-code kernel memory at 0xffffffff/);
      assert.equal(found.length, 2);
      assert.deepEqual(await findings(session), []);
    });

    test('before it was ever looked at: the file tells, the first look alone tells of patch places only', async () => {
      const kinds = async (vmlinuz: Buffer | null): Promise<readonly string[]> => {
        const inspector = new KernelInspector(places.space, null);
        const { checks } = must(await inspector.inspect(vmlinuz === null ? {} : { vmlinuz }));
        return checks.flatMap((check) => check.findings.map(({ kind, subject }) => `${kind} ${subject}`)).sort();
      };
      const plain = places.idleCode();
      const site = places.idleTraceSite();
      const call = Buffer.from('e800000000', 'hex');
      call.writeInt32LE(places.offsetOf('kernel_halt') - (site.offset + 5), 1);
      const tampered = await tamper(guest, [
        { address: places.physical(plain.offset), bytes: Buffer.from([places.byteAt(plain.offset) ^ 0x55]) },
        { address: places.physical(site.offset), bytes: call },
      ]);
      const first = await kinds(null);
      const byFile = await kinds(readFileSync(guest.kernel.vmlinuz));
      await tampered.undo();
      assert.deepEqual(first, [`hook-in-patch-site ${site.name}`]);
      assert.deepEqual(byFile, [`hook-in-patch-site ${site.name}`, `patched-kernel-code ${plain.name}`]);
    });

    test('is found by small steps as well', async () => {
      const inspector = new KernelInspector(places.space, null);
      const round = async (): Promise<readonly string[]> => {
        for (;;) {
          const answer = must(await inspector.step());
          if (answer !== null) return answer.checks.flatMap((check) => check.findings.map(({ kind }) => kind));
        }
      };
      assert.deepEqual(await round(), []);
      const { offset } = places.idleCode();
      const bytes = Buffer.from([places.byteAt(offset) ^ 0x55]);
      const tampered = await tamper(guest, [{ address: places.physical(offset), bytes }]);
      assert.deepEqual(await round(), ['patched-kernel-code']);
      await tampered.undo();
      assert.deepEqual(await round(), []);
    });
  });
}
