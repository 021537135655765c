// Broken guest memory: thousands of mutated recordings, each attached to and swept, in a worker that is ended when one takes too long.
// Whatever is broken, nothing is thrown, nothing hangs, nothing grows, and nothing that was lost goes unsaid.
// PLUMBLINE_SEED=N runs another family of mutations; with PLUMBLINE_TRIAL=N as well, only that one.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { counted, seed as seedOfRun } from '../../lab/scale.ts';
import { keepProfile, readRecording, recordedReleases } from '../sim/guest-recording.ts';
import { mutationsOf, trialGuest } from '../sim/mutated-guest.ts';
import type { TrialTally } from '../sim/mutation-worker.ts';

const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-mutation-'));
after(() => rmSync(profileDirectory, { recursive: true, force: true }));

const seed = seedOfRun();
const only = process.env['PLUMBLINE_TRIAL'];
const first = only === undefined ? 0 : Number(only);
const count = only === undefined ? counted(2_000, 100_000) : 1;
/** For one try on a machine with other work; most take a few milliseconds. */
const tryMsMax = 15_000;
const heapMiBMax = 512;
const growthBytesMax = 48 * 1024 * 1024;

const guests = recordedReleases().map((release) => {
  const recording = readRecording(release);
  keepProfile(recording, profileDirectory);
  return trialGuest(recording, profileDirectory);
});

/** The tally of tries `from` up to `to`; fails when one of them takes too long. */
async function tryAll(from: number, to: number): Promise<TrialTally> {
  const progress = new SharedArrayBuffer(4);
  const worker = new Worker(new URL('../sim/mutation-worker.ts', import.meta.url), {
    workerData: { guests, profileDirectory, seed, from, to, progress },
    resourceLimits: { maxOldGenerationSizeMb: heapMiBMax },
  });
  const tally = new Promise<TrialTally>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const done = new AbortController();
  try {
    return await Promise.race([tally, hang(new Int32Array(progress), done.signal)]);
  } finally {
    done.abort();
    await worker.terminate();
  }
}

/** Never settles as long as the tries go on. */
async function hang(progress: Int32Array, signal: AbortSignal): Promise<never> {
  let at = -1;
  let since = performance.now();
  while (!signal.aborted) {
    await wait(200);
    const now = Atomics.load(progress, 0);
    if (now !== at) [at, since] = [now, performance.now()];
    else if (performance.now() - since > tryMsMax) {
      const mutations = JSON.stringify(mutationsOf(guests, seed, at), null, 2).slice(0, 4000);
      throw new Error(`try ${at} took more than ${tryMsMax} ms: ${replay(at)}\n${mutations}`);
    }
  }
  return new Promise<never>(() => {});
}

function replay(number: number): string {
  return `PLUMBLINE_SEED=${seed} PLUMBLINE_TRIAL=${number} npm test -- src/introspection/mutation.test.ts`;
}

test(`${count} mutated guests are swept without a throw, a hang, growth or a silent loss`, async (t) => {
  const tally = await tryAll(first, first + count);
  const told = tally.failed.map(
    ({ number, faults, mutations }) =>
      `${replay(number)}\n  ${faults.join('\n  ')}\n  after ${mutations.join('\n        ')}`,
  );
  assert.equal(told.length, 0, `${told.length} of ${tally.tried} tries failed\n${told.join('\n').slice(0, 8000)}`);
  assert.equal(tally.tried, count);
  t.diagnostic(`at most ${tally.readsMost} reads and ${Math.round(tally.slowestMs)} ms, ${tally.attached} attached`);
  if (count === 1) return;
  assert.ok(tally.heapGrowthBytes < growthBytesMax, `${tally.heapGrowthBytes} bytes more in use at the end`);
  // Most breaks leave a guest that can be attached to, or the sweeps behind that would not have been tried.
  assert.ok(tally.attached > count / 2, `only ${tally.attached} of ${count} could be attached to`);
});

test('the same seed gives the same mutations and the same answers', async () => {
  const [one, other] = [await tryAll(first, first + 40), await tryAll(first, first + 40)];
  assert.equal(one.tried, 40);
  assert.equal(one.digest, other.digest);
  assert.notEqual(one.digest, (await tryAll(first + 40, first + 80)).digest);
});
