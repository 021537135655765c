// When work that is done again and again is done: at its pace, after a burst once, never twice at once, and never without rest.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { pacedWork, settleMs } from './paced-work.ts';

const pauseMs = 60_000;

/** Work that takes `tookMs` each time, in a time that is stepped. */
function paced(t: TestContext, tookMs: number, firstMs = 0) {
  t.mock.timers.reset();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let nowMs = 0;
  const runs: { beganMs: number; endedMs: number }[] = [];
  let under: PromiseWithResolvers<void> | null = null;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const work = pacedWork(
    async () => {
      assert.equal(under, null, 'two at once');
      runs.push({ beganMs: nowMs, endedMs: Number.NaN });
      under = Promise.withResolvers<void>();
      await under.promise;
      under = null;
      return pauseMs;
    },
    clock,
    firstMs,
  );
  /** One millisecond after the other, so that everything happens when it is due. */
  const pass = async (ms: number): Promise<void> => {
    for (let step = 0; step < ms; step += 1) {
      nowMs += 1;
      t.mock.timers.tick(1);
      const last = runs.at(-1);
      if (under !== null && last !== undefined && nowMs >= last.beganMs + tookMs) {
        last.endedMs = nowMs;
        under.resolve();
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      }
    }
  };
  const end = async (): Promise<void> => {
    const closed = work.close();
    await pass(tookMs + 1);
    await closed;
  };
  return { work, runs, pass, end };
}

const began = (runs: readonly { beganMs: number }[]): number[] => runs.map(({ beganMs }) => beganMs);

test('at its pace, from the end of one run to the beginning of the next', async (t) => {
  const { runs, pass, end } = paced(t, 10, 5);
  await pass(2 * pauseMs + 100);
  assert.deepEqual(began(runs), [5, 15 + pauseMs, 25 + 2 * pauseMs]);
  await end();
});

test('a burst is one run, a quarter of a second after its first event', async (t) => {
  const { work, runs, pass, end } = paced(t, 10);
  await pass(5000);
  for (let event = 0; event < 20; event += 1) {
    work.nudge();
    await pass(10);
  }
  await pass(5000);
  assert.deepEqual(began(runs).slice(1), [5000 + settleMs]);
  await end();
});

test('what happens all the time is worked on for a fifth of the time, and at most once a second', async (t) => {
  for (const [tookMs, restMs] of [
    [10, 1000],
    [500, 2000],
  ] as const) {
    const { work, runs, pass, end } = paced(t, tookMs);
    for (let event = 0; event < 3000; event += 1) {
      work.nudge();
      await pass(10);
    }
    await end();
    const gaps = runs.slice(1).map(({ beganMs }, index) => beganMs - (runs[index]?.endedMs ?? 0));
    assert.ok(gaps.length > 3 && gaps.every((gap) => gap === restMs), JSON.stringify({ tookMs, gaps }));
  }
});

test('what is asked for while it runs is done after that run, and what is asked for twice is done once', async (t) => {
  const { work, runs, pass, end } = paced(t, 100);
  await pass(50);
  work.soon(3000);
  work.soon(4000);
  await pass(8000);
  assert.deepEqual(began(runs), [1, 101 + 3000]);
  work.soon(2000);
  work.soon(500);
  await pass(8000);
  assert.deepEqual(began(runs).slice(2), [8050 + 500]);
  await end();
});

test('once closed, no run begins', async (t) => {
  const { work, runs, pass, end } = paced(t, 10);
  await pass(2000);
  await end();
  work.nudge();
  work.soon(0);
  await pass(pauseMs * 2);
  assert.equal(runs.length, 1);
});

test('whatever happens when, each event is followed by a run of its own time, and runs never overlap', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1500), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 300 }),
      async (waits, tookMs) => {
        const { work, runs, pass, end } = paced(t, tookMs);
        const events: number[] = [];
        let nowMs = 0;
        for (const ms of waits) {
          await pass(ms);
          nowMs += ms;
          work.nudge();
          events.push(nowMs);
        }
        await pass(2 * (settleMs + tookMs + Math.max(1000, 4 * tookMs)));
        await end();
        // Late by a run that was under way, and by the rest after it.
        const mostMs = settleMs + tookMs + Math.max(1000, 4 * tookMs);
        for (const event of events)
          assert.ok(
            runs.some(({ beganMs }) => beganMs >= event && beganMs <= event + mostMs),
            JSON.stringify({ event, runs, mostMs }),
          );
        for (const [index, { beganMs }] of runs.entries())
          if (index > 0) assert.ok(beganMs - (runs[index - 1]?.endedMs ?? 0) >= Math.max(1000, 4 * tookMs));
      },
    ),
    { numRuns: 30 },
  );
});
