// A guest that forges a hundred thousand processes: however many it shows and whatever they say of themselves, a sweep ends soon, keeps
// little, and owns up to what it left out.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Clock } from '../kit/clock.ts';
import { crowd } from '../sim/crowded-guest.ts';
import type { Crowd } from '../sim/crowded-guest.ts';
import { keepProfile, readRecording } from '../sim/guest-recording.ts';
import { RecordedMemory } from '../sim/page-set.ts';
import type { SweepResult } from './guest/guest-view.ts';
import { openSession } from './introspection.ts';

const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-crowd-'));
after(() => rmSync(profileDirectory, { recursive: true, force: true }));

const system: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
const recording = readRecording('6.12');
keepProfile(recording, profileDirectory);
const textMax = 40 * 1024 * 1024;
/** Several times what it takes on an idle machine. */
const sweepMsMax = 8_000;

function sweeps(count: number, forged: Crowd, clock = system): SweepResult[] {
  const memory = new RecordedMemory(crowd(recording, forged));
  const session = openSession(memory, recording.cpus, null, { clock, profileDirectory });
  assert.ok(session.ok, session.ok ? '' : session.error.message);
  return Array.from({ length: count }, () => {
    const from = performance.now();
    const sweep = session.value.sweep();
    assert.ok(sweep.ok, sweep.ok ? '' : sweep.error.message);
    const tookMs = performance.now() - from;
    assert.ok(tookMs < sweepMsMax, `${Math.round(tookMs)} ms for ${sweep.value.tasks.length} processes`);
    return sweep.value;
  });
}

function textOf({ tasks }: SweepResult): number {
  return tasks.reduce((sum, { argv }) => sum + (argv ?? []).reduce((length, arg) => length + arg.length, 0), 0);
}

const bounded = ({ notes }: SweepResult): string[] =>
  notes.filter(({ kind }) => kind === 'bounded').map(({ detail }) => detail);

test('a few forged processes are seen as the real one they copy', () => {
  const [first] = sweeps(1, { processes: 50, argumentBytes: 6 });
  assert.ok(first !== undefined);
  const copies = first.tasks.slice(-50);
  assert.equal(new Set(copies.map(({ id }) => id)).size, 1);
  assert.ok(copies.every(({ exe }) => exe !== null && exe === copies[0]?.exe));
});

test('processes with more arguments together than a sweep keeps: those left out are named', () => {
  for (const sweep of sweeps(4, { processes: 20_000, argumentBytes: 128 * 1024 })) {
    assert.ok(sweep.tasks.length > 20_000);
    const length = textOf(sweep);
    assert.ok(length > 0 && length < textMax, `${length} characters`);
    assert.equal(sweep.complete, false);
    assert.ok(bounded(sweep).includes('new processes left to be described by a later sweep'));
  }
});

test('a hundred thousand forged processes', () => {
  const [first, second] = sweeps(2, { processes: 100_000, argumentBytes: 6 });
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(first.tasks.length > 100_000 && second.tasks.length === first.tasks.length);
});

test('more new processes than a sweep describes in its time: later sweeps go on until all are', () => {
  // Looking at the clock takes a millisecond, so that a sweep has time for a thousand.
  let nowMs = 0;
  const slow: Clock = { now: () => recording.takenMs, monotonic: () => (nowMs += 1) };
  const taken = sweeps(4, { processes: 2_500, argumentBytes: 6 }, slow);
  const described = taken.map(({ tasks }) => tasks.filter(({ argv }) => argv !== null).length);
  const [one = 0, two = 0, three = 0, four = 0] = described;
  assert.ok(one > 500 && one < 1_500 && two > one && three > two, described.join());
  assert.equal(four, three);
  assert.deepEqual(
    taken.map((sweep) => bounded(sweep).some((detail) => detail.startsWith('new processes left'))),
    [true, true, false, false],
  );
});
