// What nft says when it cannot be used is told from what may pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem } from '../../../kit/problem.ts';
import { runProgram } from '../../../protocols/host-program/run-program.ts';
import { lastingObstacle } from './nft-access.ts';

const root = { skip: process.getuid?.() === 0 ? false : 'only root can give up a capability' };

test('nft without CAP_NET_ADMIN is not ours to use, in its own words', root, async () => {
  const without = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin', 'nft'];
  const said = await runProgram([...without, 'list', 'tables', 'bridge']);
  assert.ok(!said.ok);
  assert.equal(lastingObstacle(said.error)?.kind, 'refused', said.error.message);
});

test('an nft that is not there is told as such, in whichever namespace', root, async () => {
  const ours = await runProgram(['nft-that-is-not-there']);
  assert.ok(!ours.ok);
  assert.equal(lastingObstacle(ours.error)?.kind, 'not-found');
  const inside = problem('failed', 'nft failed: nsenter: failed to execute nft: No such file or directory.');
  assert.equal(lastingObstacle(inside)?.kind, 'not-found');
});

for (const message of ['nft failed: Could not process rule: No buffer space available', 'nft failed: Resource busy'])
  test(`no reason to do without it: ${message}`, () => {
    assert.equal(lastingObstacle(problem('failed', message)), null);
  });
