// Whether a process in a session of its own gets as much of a busy processor as we do.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { weighAlike, weightIn } from './scheduling-group.ts';

for (const [line, weight] of [
  ['/autogroup-42 nice 0\n', '0'],
  ['/autogroup-7 nice -15\n', '-15'],
  ['/autogroup-7 nice 19', '19'],
  ['', null],
  ['/autogroup-7 nice five', null],
  ['/autogroup-7 nice 1\n2', null],
] as const)
  test(`${JSON.stringify(line)} has weight ${weight}`, () => assert.equal(weightIn(line), weight));

/** Its weight as the kernel tells it: null on a kernel without such groups, and for a process in none. */
function weightOf(process: number | 'self'): string | null {
  try {
    return weightIn(readFileSync(`/proc/${process}/autogroup`, 'latin1'));
  } catch {
    return null;
  }
}

test('a process that leads its own session weighs as its model does afterwards, and one that is gone is no error', async () => {
  const sleepers = Array.from({ length: 2 }, () => spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }));
  const [model, follower] = sleepers.map(({ pid }) => pid ?? assert.fail()) as [number, number];
  const neutral = weightOf(model);
  // The test's own starter may be in no such group (it is not, where a container's first process started it), two new sessions always are.
  if (neutral !== null) writeFileSync(`/proc/${model}/autogroup`, '7');
  weighAlike(follower, model);
  assert.equal(weightOf(follower), neutral === null ? null : '7');
  // Only root may ask for more weight than it has.
  weighAlike(follower);
  if (process.getuid?.() === 0) assert.equal(weightOf(follower), weightOf('self') ?? weightOf(model));
  for (const sleeper of sleepers) {
    const exit = once(sleeper, 'exit');
    sleeper.kill('SIGKILL');
    await exit;
  }
  weighAlike(follower, model);
  weighAlike(follower);
});
