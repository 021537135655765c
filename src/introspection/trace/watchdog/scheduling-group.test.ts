// Whether a process in a session of its own gets as much of a busy processor as we do.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { weighAsWeDo, weightIn } from './scheduling-group.ts';

for (const [line, weight] of [
  ['/autogroup-42 nice 0\n', '0'],
  ['/autogroup-7 nice -15\n', '-15'],
  ['/autogroup-7 nice 19', '19'],
  ['', null],
  ['/autogroup-7 nice five', null],
  ['/autogroup-7 nice 1\n2', null],
] as const)
  test(`${JSON.stringify(line)} has weight ${weight}`, () => assert.equal(weightIn(line), weight));

test('a process that leads its own session weighs as we do afterwards, and one that is gone is no error', async () => {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  const pid = child.pid ?? assert.fail();
  const read = (whose: string): string | null => {
    try {
      return weightIn(readFileSync(`/proc/${whose}/autogroup`, 'latin1'));
    } catch {
      // A kernel without such groups.
      return null;
    }
  };
  weighAsWeDo(pid);
  // Only root may ask for more than the neutral weight.
  if (process.getuid?.() === 0 || Number(read('self')) >= 0) assert.equal(read(String(pid)), read('self'));
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  weighAsWeDo(pid);
});
