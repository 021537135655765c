// Memory is called kept only when the file that was written, read again, is what it should be; whatever the hypervisor does instead,
// nothing is left behind and nobody waits for long.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { assert as holds, asyncProperty, string } from 'fast-check';
import { seed } from '../../../lab/scale.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import { coreOf } from '../../sim/elf-core-file.ts';
import type { ActOutcome, RunState } from './enforcer.ts';
import { EvidenceRoom } from './evidence-room.ts';
import { dumpMemory, type MemoryDumpControl } from './memory-dump.ts';

const ramBytes = 4096;
const whole = coreOf({ bits: 64, processors: 1, segments: [ramBytes] });
const directory = mkdtempSync(join(tmpdir(), 'plumbline-dump-'));
let nowMs = 0;
/** Waiting for the VM costs no time here. */
const patience = {
  clock: { now: () => nowMs, monotonic: () => nowMs },
  sleep: async (ms: number) => {
    nowMs += ms;
    await wait(0);
  },
};
const pace = { stallMs: 300, leastMs: 1500, slowestRate: 1e9 };

after(() => rmSync(directory, { recursive: true, force: true }));
beforeEach(() => {
  for (const name of readdirSync(directory)) rmSync(join(directory, name));
});

type Writer = MemoryDumpControl['write'];

/** As a hypervisor does: opens, writes, closes. */
function writerOf(...pieces: readonly Buffer[]): Writer {
  return async (path) => {
    const file = await open(path, 'w');
    try {
      for (const piece of pieces) await file.write(piece);
      return ok(undefined);
    } catch {
      return fail(problem('failed', 'The hypervisor could not write.'));
    } finally {
      await file.close();
    }
  };
}

function dump(
  write: Writer,
  changes: Partial<MemoryDumpControl> & { readonly after?: RunState; readonly id?: string } = {},
) {
  const { after: run = 'running', id = 'step1', ...control } = changes;
  const room = new EvidenceRoom(directory, { freeBytes: 0 });
  const reading = (state: RunState) => ({ run: state, words: `it is ${state}`, snapshots: [] });
  return dumpMemory(
    id,
    { room, pace, obstacle: async () => null, memoryBytes: async () => ok(ramBytes), write, ...control },
    reading('running'),
    async () => ok(reading(run)),
    patience,
  );
}

suite('memory that is kept', () => {
  test('is what came through the pipe, with what it is in words, and is made once', async () => {
    const outcome = await dump(writerOf(whole.subarray(0, 100), whole.subarray(100)));
    assert.equal(outcome.state, 'done', outcome.evidence);
    assert.deepEqual(readFileSync(join(directory, 'step1.elf')), whole);
    assert.deepEqual(readdirSync(directory), ['step1.elf']);
    const again = await dump(() => Promise.reject(new Error('asked twice')));
    assert.match(again.evidence, /already so/);
  });

  const never: Writer = () => new Promise(() => undefined);
  const cases: readonly (readonly [string, () => Promise<ActOutcome>, RegExp])[] = [
    [
      'a hypervisor that refuses',
      () => dump(async () => fail(problem('failed', 'QEMU refused: no.'))),
      /QEMU refused: no/,
    ],
    ['one that writes something else', () => dump(writerOf(Buffer.alloc(9000, 1))), /not the memory of a VM/],
    ['one that stops half-way', () => dump(writerOf(whole.subarray(0, 2000))), /a segment ends at/],
    [
      'less memory than the VM has',
      () => dump(writerOf(coreOf({ bits: 64, processors: 1, segments: [9] }))),
      /9 bytes of memory of 4096/,
    ],
    ['no registers', () => dump(writerOf(coreOf({ bits: 64, processors: 0, segments: [ramBytes] }))), /no processor/],
    ['one that never opens the pipe', () => dump(never), /nothing came for 300 ms/],
    ['a sentinel that is stopping', () => dump(never, { cancelled: AbortSignal.abort() }), /the sentinel is stopping/],
    [
      'a VM that does not say its size',
      () => dump(never, { memoryBytes: async () => fail(problem('unreadable', 'No size.')) }),
      /No size/,
    ],
    [
      'something in the way',
      () => dump(never, { obstacle: async () => problem('refused', 'In the way.') }),
      /In the way/,
    ],
  ];
  for (const [title, act, why] of cases)
    test(`is not, of ${title}`, async () => {
      const outcome = await act();
      assert.equal(outcome.state, 'failed');
      assert.match(outcome.evidence, why);
      assert.deepEqual(readdirSync(directory), []);
    });

  test('is unconfirmed as a whole when the VM does not stand or run as before', async () => {
    const outcome = await dump(writerOf(whole), { after: 'paused' });
    assert.equal(outcome.state, 'unconfirmed');
    assert.match(outcome.evidence, /sha256 [0-9a-f]{64}.*is not running as it was before: it is paused/);
  });

  test('never leaves its directory, whatever names it', async () => {
    await holds(
      asyncProperty(string({ unit: 'binary', maxLength: 80 }), async (id) => {
        const outcome = await dump(async () => fail(problem('failed', 'No.')), { id });
        assert.equal(outcome.state, 'failed');
        if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id)) assert.match(outcome.evidence, /can name no file/);
        assert.deepEqual(readdirSync(directory), []);
      }),
      { numRuns: 40, seed: seed() },
    );
  });
});

suite('the room for it', () => {
  test('counts what is kept and what is under way, and ends with its limits', () => {
    writeFileSync(join(directory, 'old.elf'), Buffer.alloc(60));
    const room = new EvidenceRoom(directory, { keptBytes: 200, files: 3, freeBytes: 0 });
    const first = room.take('a', 100);
    assert.ok(first.ok);
    const second = room.take('b', 41);
    assert.match(second.ok ? '' : second.error.message, /beside 160 kept already are more than 200/);
    assert.ok(room.take('b', 40).ok);
    const third = room.take('c', 0);
    assert.match(third.ok ? '' : third.error.message, /in 3 files, which is the most/);
    first.value();
    assert.ok(room.take('c', 0).ok);
  });
});
