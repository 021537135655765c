// A start that hangs is given up, with what it waited for; one that goes on has all the time its steps take.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import { fail, ok, type Result } from '../../kit/result.ts';
import { problem } from '../../kit/problem.ts';
import { watchStart } from './start-watch.ts';

const never = new Promise<Result<string>>(() => undefined);

test('what it came to is passed on, and nothing of the watch is left', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length;
  const before = timers();
  const watch = watchStart(new AbortController().signal, { stepMsMax: 60_000, stoppingMsMax: 60_000 });
  assert.deepEqual(await watch.over(Promise.resolve(ok('up'))), ok('up'));
  const no = fail(problem('refused', 'No.'));
  assert.deepEqual(await watch.over(Promise.resolve(no)), no);
  watch.waitsFor('what goes on behind its back');
  // A timer that is left over would keep this process for a minute.
  assert.equal(timers(), before);
});

test('a step that hangs is given up by its name', async () => {
  const watch = watchStart(new AbortController().signal, { stepMsMax: 50, stoppingMsMax: 60_000 });
  const started = watch.over(never);
  watch.waitsFor('the moon');
  const given = await started;
  assert.ok(!given.ok && given.error.kind === 'failed');
  assert.match(given.error.message, /has not started: it waited for the moon for 0\.05 seconds/);
});

test('each step has its own time', async () => {
  const watch = watchStart(new AbortController().signal, { stepMsMax: 300, stoppingMsMax: 60_000 });
  const starting = (async (): Promise<Result<string>> => {
    for (const what of ['one', 'two', 'three', 'four', 'five']) {
      watch.waitsFor(what);
      await wait(100);
    }
    return ok('up');
  })();
  assert.deepEqual(await watch.over(starting), ok('up'));
});

test('asked to stop it is given its time, before and while it starts, and then left', async () => {
  for (const before of [true, false]) {
    const stop = new AbortController();
    if (before) stop.abort();
    const watch = watchStart(stop.signal, { stepMsMax: 60_000, stoppingMsMax: 50 });
    const started = watch.over(never);
    watch.waitsFor('the tide');
    if (!before) stop.abort();
    const given = await started;
    assert.ok(!given.ok && given.error.kind === 'interrupted');
    assert.match(given.error.message, /asked to stop, and 0\.05 seconds later still waited for the tide/);
  }
});
