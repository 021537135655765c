// Following one platform: only while it answers, one stream at a time, what breaks is known and what comes back too.
import assert from 'node:assert/strict';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { test } from 'node:test';
import { silentLog } from '../../kit/log.ts';
import { problem } from '../../kit/problem.ts';
import { SimulatedPlatform } from '../../sim/simulated-platform.ts';
import { followPlatform } from './follow-platform.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const lost = problem('interrupted', 'The stream was lost.', 'Look there.');

function following({ canBeFollowed = true } = {}) {
  const simulated = new SimulatedPlatform();
  simulated.canBeFollowed = canBeFollowed;
  const platform = simulated.open({ clock, sleep: async () => await Promise.resolve() });
  const seen = { changes: 0 };
  const changed = (): void => void (seen.changes += 1);
  const follow = followPlatform({ name: 'west', platform, prices: {} }, { clock, log: silentLog, changed });
  return { simulated, platform, follow, seen };
}

test('nobody is followed before it answers; then what may have been missed and every change is told', async () => {
  const { simulated, follow, seen } = following();
  assert.deepEqual([follow.health().state, simulated.followers.size], ['broken', 0]);
  follow.turn(true);
  await turnOfTheLoop();
  assert.deepEqual([follow.health().state, follow.health().why, seen.changes], ['followed', null, 1]);
  simulated.tell();
  simulated.tell();
  assert.equal(seen.changes, 3);
  await follow.close();
  simulated.tell();
  assert.deepEqual([seen.changes, simulated.followers.size], [3, 0]);
});

test('a stream that breaks is said with why, is one reason to look there, and so is its return', async () => {
  const { simulated, follow, seen } = following();
  follow.turn(true);
  await turnOfTheLoop();
  simulated.breakStream(lost);
  simulated.breakStream(lost);
  assert.deepEqual(
    [follow.health().state, follow.health().why, seen.changes],
    ['broken', 'The stream was lost. Look there.', 2],
  );
  simulated.tell();
  assert.equal(seen.changes, 2);
  simulated.breakStream(null);
  assert.deepEqual([follow.health().state, seen.changes], ['followed', 3]);
  await follow.close();
});

test('one that goes away is not followed, and followed once when it is back, however often it comes and goes', async () => {
  const { simulated, follow } = following();
  follow.turn(true);
  await turnOfTheLoop();
  follow.turn(false);
  await turnOfTheLoop();
  assert.deepEqual([simulated.followers.size, follow.health().why], [0, 'The platform does not answer.']);
  for (const isReachable of [true, false, true, true]) follow.turn(isReachable);
  await turnOfTheLoop();
  assert.deepEqual([simulated.followers.size, follow.health().state], [1, 'followed']);
  await follow.close();
  follow.turn(false);
  follow.turn(true);
  await turnOfTheLoop();
  assert.equal(simulated.followers.size, 0);
});

test('the stream before has ended when the next begins', async () => {
  const { platform } = following();
  const ended = Promise.withResolvers<void>();
  let begun = 0;
  const slow = {
    ...platform,
    follow: () => {
      begun += 1;
      return { close: async () => await ended.promise };
    },
  };
  const changed = (): void => undefined;
  const follow = followPlatform({ name: 'west', platform: slow, prices: {} }, { clock, log: silentLog, changed });
  for (const isReachable of [true, false, true]) {
    follow.turn(isReachable);
    await turnOfTheLoop();
  }
  assert.equal(begun, 1);
  ended.resolve();
  await turnOfTheLoop();
  assert.equal(begun, 2);
  await follow.close();
});

test('one that tells of no changes is polled', async () => {
  const { follow, seen } = following({ canBeFollowed: false });
  follow.turn(true);
  await turnOfTheLoop();
  assert.deepEqual([follow.health().state, follow.health().why, seen.changes], ['polled', null, 0]);
  await follow.close();
});
