// A guest that is stopped by a tracer a hundred times a second runs on whatever becomes of the tracer: killed, stopped, starved,
// cut off, hung, at any moment. How long it stood is told by QEMU's own events, that it works by the programs it starts.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { counted, seed } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import {
  becomes,
  endWork,
  isRunning,
  openStub,
  pause,
  processLives,
  Standstill,
  startTracer,
  startWork,
  statusOf,
  turnsOf,
  watchedAddress,
  type FragileTracer,
} from '../../../../lab/fragile-trace.ts';

/** Where a tracer's silence is not what is tried: a machine that runs tests may give it no turn for a while. */
const patientMs = 5_000;
const ends = ['killed', 'stopped', 'starved', 'cut', 'hung'] as const;

function bring(tracer: FragileTracer, end: (typeof ends)[number]): void {
  if (end === 'killed') tracer.process.kill('SIGKILL');
  else if (end === 'stopped') tracer.process.kill('SIGSTOP');
  else if (end === 'starved') tracer.tell({ do: 'starve' });
  else tracer.tell({ do: end === 'cut' ? 'cut' : 'hang' });
}

suite('a traced guest', { timeout: counted(180_000, 1_800_000) }, () => {
  let guest: Guest;
  let address: string;
  let standstill: Standstill;
  before(async () => {
    guest = await sharedGuest('6.1', { name: 'watchdog' });
    address = await watchedAddress(guest);
    await startWork(guest);
    await openStub(guest);
    standstill = new Standstill(guest);
  });
  after(async () => {
    standstill?.stop();
    await guest?.qmp().hmp('gdbserver none');
    await endWork(guest);
  });

  /** It works, no point is left in QEMU, and nobody is left over. */
  async function assertFree(tracer: FragileTracer): Promise<void> {
    const turns = turnsOf(guest);
    standstill.begin();
    const works = await becomes(() => turnsOf(guest) > turns + 2, 10_000);
    assert.ok(works, `the guest starts no programs: ${await statusOf(guest)}`);
    assert.equal(standstill.stops, 0, 'a stop point was left in QEMU');
    assert.equal(await statusOf(guest), 'running');
    tracer.process.kill('SIGKILL');
    assert.ok(await becomes(() => !processLives(tracer.watchdog), 3_000), 'the watchdog is still there');
  }

  const rounds = counted(10, 200);
  test(`runs on within a second, ${rounds} times, however its tracer ends`, async (context) => {
    const random = pseudoRandom(seed());
    let worstMs = 0;
    for (let round = 0; round < rounds; round += 1) {
      const end = ends[round % ends.length] ?? 'killed';
      const tracer = await startTracer(guest, address);
      assert.ok(tracer.watchdog > 0, JSON.stringify(tracer.heard));
      await wait(random() * 300);
      standstill.begin();
      bring(tracer, end);
      await wait(700);
      assert.ok(await becomes(() => isRunning(guest), 3_000), `${end} in round ${round}: the guest stands`);
      const stoodMs = standstill.longestMs();
      worstMs = Math.max(worstMs, stoodMs);
      assert.ok(stoodMs < 1_000, `${end} in round ${round}: the guest stood for ${stoodMs} ms`);
      await assertFree(tracer);
    }
    context.diagnostic(`seed ${seed()}: the guest stood for ${Math.round(worstMs)} ms at most`);
  });

  test('is let go by its tracer when the watchdog is killed, and when it is stopped', async () => {
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      const tracer = await startTracer(guest, address);
      process.kill(tracer.watchdog, signal);
      const { lost } = await tracer.waitFor('lost', 5_000);
      assert.match(String(lost), signal === 'SIGKILL' ? /has ended/ : /does not answer/);
      await tracer.waitFor('detached', 2_000);
      await assertFree(tracer);
    }
  });

  test('stands for a person as long as was said, and no longer', async () => {
    const tracer = await startTracer(guest, address);
    standstill.begin();
    tracer.tell({ do: 'hold', forMs: 1_000 });
    await tracer.waitFor('lost', 5_000);
    const stoodMs = standstill.longestMs();
    assert.ok(stoodMs > 900 && stoodMs < 2_000, `it stood for ${stoodMs} ms`);
    assert.match(String((await tracer.waitFor('lost')).lost), /its hold was over/);
    await assertFree(tracer);
  });

  test('held for a person runs on when the tracer dies, and is traced on when it is released', async () => {
    const tracer = await startTracer(guest, address, patientMs);
    tracer.tell({ do: 'hold', forMs: 60_000 });
    await wait(700);
    assert.ok(!(await isRunning(guest)));
    tracer.tell({ do: 'release' });
    assert.ok(await becomes(() => isRunning(guest), 1_000));
    tracer.tell({ do: 'hold', forMs: 60_000 });
    await wait(300);
    standstill.begin();
    tracer.process.kill('SIGKILL');
    await wait(300);
    assert.ok(await isRunning(guest));
    await assertFree(tracer);
  });

  test('paused by an administrator stays paused when the tracer dies, without a stop point', async () => {
    const tracer = await startTracer(guest, address, patientMs);
    await pause(guest);
    await tracer.waitFor('paused', 2_000);
    tracer.tell({ do: 'paused' });
    await wait(200);
    tracer.process.kill('SIGKILL');
    await wait(1_200);
    assert.ok(!(await isRunning(guest)));
    await guest.qmp().execute('cont');
    await assertFree(tracer);
  });

  test('is refused to a second tracer, and the first traces on', async () => {
    // On a busy machine a watchdog with less patience lets the guest go meanwhile, and nobody is in the second one's way.
    const first = await startTracer(guest, address, patientMs);
    const second = await startTracer(guest, address, patientMs);
    assert.match(second.heard[0]?.refused ?? '', /in use by someone else/, JSON.stringify([first.heard, second.heard]));
    standstill.begin();
    await wait(200);
    assert.ok(standstill.stops > 0, 'the first traces no more');
    first.tell({ do: 'detach' });
    await first.waitFor('detached');
    // The second one's connection is served now, and lets the guest run.
    await wait(300);
    assert.ok(await becomes(() => isRunning(guest), 1_000));
    await assertFree(first);
  });
});

/** Mulberry32: the same moments for the same seed. */
function pseudoRandom(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
