// Program starts met at a place of their own, on real guests of every supported kernel: each once, as whom and with which arguments they
// were started, and no other stop for them.
import assert from 'node:assert/strict';
import { after, before, describe, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { kernelReleases } from '../../../../lab/kernels.ts';
import { counted, sampled } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { ok } from '../../../kit/result.ts';
import { traceGuest } from '../../../../lab/traced-guest.ts';
import type { TracedGuest } from '../../../../lab/traced-guest.ts';

const limitMs = counted(300_000, 3_600_000);
const loopsMs = counted(60_000, 1_800_000);
const kinds = ['exec', 'connect', 'accept', 'listen', 'bind'] as const;
/** A 32-bit program that ends with code 7 and does nothing else: ELF header, one segment, `mov eax,1; mov ebx,7; int 0x80`. */
const narrowProgram = [
  '7f454c46010101000000000000000000020003000100000054800408340000000000000000000000340020000100000000000000',
  '0100000000000000008004080080040860000000600000000500000000100000',
  'b801000000bb07000000cd80',
].join('');

async function settle(traced: TracedGuest): Promise<void> {
  for (let before = -1; before !== traced.lines.length;) {
    before = traced.lines.length;
    await wait(200);
  }
}

suite('program starts alone', { timeout: limitMs }, () => {
  for (const kernel of sampled(kernelReleases, 2, 'started programs')) {
    describe(`on Linux ${kernel}`, () => {
      let guest: Guest;
      let traced: TracedGuest;
      before(async () => {
        guest = await sharedGuest(kernel, { name: `traced-${kernel}`, hardware: { vcpus: 2 } });
        traced = await traceGuest(guest, { kinds });
      });
      after(() => traced?.close());

      test('one stop for each, none for forks and ends', async () => {
        const stopsBefore = traced.trace.summary().stops;
        await guest.run('workload execs 20; (true); (:)');
        await settle(traced);
        const told = traced.lines.filter(({ kind }) => kind === 'exec').length;
        assert.equal(traced.events('exec', 'workload', 'exit').length, 20);
        assert.ok(traced.trace.summary().stops - stopsBefore <= told, `${traced.trace.summary().stops} stops`);
        assert.deepEqual(traced.trace.summary().counts.fork, 0);
      });

      test('with parent, user and arguments, however many and long', async () => {
        const long = 'x'.repeat(3000);
        await guest.run(
          `su user -c "workload exit 0 '' 'two words' ${long} ''"; setarch -R true; workload exit 3 $(seq 700)`,
        );
        await settle(traced);
        const [asked] = traced.events('exec', 'workload', 'exit', '0');
        assert.deepEqual(asked?.argv, ['workload', 'exit', '0', '', 'two words', long]);
        assert.deepEqual([asked?.uid, asked?.exe, asked?.comm], [1000, '/bin/workload', 'workload']);
        const [many] = traced.events('exec', 'workload', 'exit', '3');
        assert.deepEqual(
          many?.argv?.slice(3),
          Array.from({ length: 700 }, (_, index) => String(index + 1)),
        );
        assert.ok(many?.ancestors.includes('/sbin/lab-agent'));
      });

      test('scripts, programs in memory, 32-bit ones; not those that could not be started', async () => {
        await guest.run('printf "#!/bin/sh -e\\ntrue\\n" >/tmp/script; chmod 755 /tmp/script; /tmp/script one');
        await guest.run('workload memfd evil quiet exit; printf nonsense >/tmp/no; chmod 755 /tmp/no; /tmp/no');
        const bytes = narrowProgram.replaceAll(/../g, '\\x$&');
        const { code } = await guest.run(`printf '${bytes}' >/tmp/narrow; chmod 755 /tmp/narrow; /tmp/narrow a b`);
        await settle(traced);
        assert.equal(code, 7);
        assert.deepEqual(
          traced.events('exec', '/tmp/narrow').map(({ argv, exe }) => [argv, exe]),
          [[['/tmp/narrow', 'a', 'b'], '/tmp/narrow']],
        );
        assert.deepEqual(traced.events('exec', '/bin/sh', '-e', '/tmp/script', 'one').length, 1);
        assert.equal(traced.events('exec', 'quiet').at(-1)?.exe, '/memfd:evil (deleted)');
        assert.equal(traced.lines.filter((line) => line.kind === 'exec' && line.exe === '/tmp/no').length, 0);
        assert.deepEqual(traced.losses(), []);
      });
    });
  }

  test('two processors and eight loops at once: each once, also while somebody looks on for a while', async () => {
    const each = Math.ceil(counted(200, 5_000) / 8);
    const budget = { stopsPerSecondMax: 100_000, stolenMsPerSecondMax: 100_000 };
    const guest = await sharedGuest('6.1', { name: 'traced-6.1', hardware: { vcpus: 2 } });
    const traced = await traceGuest(guest, { kinds, budget });
    const loops = `for i in 1 2 3 4 5 6 7 8; do workload execs ${each} >/dev/null & done; wait`;
    const alone = await guest.run(loops, loopsMs);
    assert.deepEqual(await traced.trace.alsoTell(['fork', 'exit', 'exec', 'module']), ok(undefined));
    const watched = await guest.run(loops, loopsMs);
    assert.deepEqual(await traced.trace.alsoTell([]), ok(undefined));
    const { stops } = traced.trace.summary();
    const after = await guest.run('workload execs 5', loopsMs);
    await settle(traced);
    const { stops: stopsInAll } = traced.trace.summary();
    await traced.close();
    assert.deepEqual([alone.code, watched.code, after.code], [0, 0, 0]);
    assert.deepEqual(traced.losses(), []);
    assert.equal(traced.events('exec', 'workload', 'exit').length, 16 * each + 5);
    assert.equal(new Set(traced.events('exec').map(({ image }) => image)).size, traced.events('exec').length);
    assert.equal(traced.events('fork', 'workload', 'execs').length, 8 * each);
    assert.equal(traced.events('exit', 'workload', 'exit').length, 8 * each);
    assert.ok(stopsInAll - stops < 15, `${stopsInAll - stops} stops for six programs`);
  });
});
