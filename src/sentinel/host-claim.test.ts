// A second sentinel is told who is first; one that was killed leaves the host free, and a place that cannot be used is named.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { claim } from '../introspection/hypervisor/claim.ts';
import { sayProblem } from '../kit/problem.ts';
import type { Result } from '../kit/result.ts';
import { claimHost } from './host-claim.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-host-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

function saidOf(result: Result<unknown>): string {
  return result.ok ? 'none' : `${result.error.kind}: ${sayProblem(result.error)}`;
}

test('the second is refused, and told who is first and what to do', async () => {
  const run = join(folder, 'run');
  const first = must(await claimHost(run, '/var/lib/one'));
  assert.equal(statSync(run).mode & 0o777, 0o700);
  const elsewhere = saidOf(await claimHost(run, '/var/lib/two'));
  assert.match(elsewhere, new RegExp(`^refused: Another .* process ${process.pid}, with .* /var/lib/one\\. Use that`));
  assert.match(
    saidOf(await claimHost(run, '/var/lib/one')),
    /^refused: Plumbline is up already with .* \/var\/lib\/one/,
  );
  first.release();
  must(await claimHost(run, '/var/lib/two')).release();
});

test('one that does not say who it is counts as well', async () => {
  const run = join(folder, 'silent');
  must(await claimHost(run, '/x')).release();
  for (const says of ['', 'nonsense', 'null', '{"pid":"1"}']) {
    const other = must(await claim(join(run, 'sentinel'), says));
    assert.match(saidOf(await claimHost(run, '/x')), /^refused: Another sentinel .* does not say which/, says);
    if (other.state === 'ours') other.release();
  }
});

test('one that was killed has left the host free at once', async () => {
  const run = join(folder, 'killed');
  const module = new URL('host-claim.ts', import.meta.url).href;
  const source = `import(${JSON.stringify(module)}).then(async (m) => {
    const got = await m.claimHost(${JSON.stringify(run)}, '/x');
    console.log(got.ok);
    setInterval(() => got, 1000);
  })`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(said.toString().trim(), 'true');
  assert.match(saidOf(await claimHost(run, '/y')), new RegExp(`process ${child.pid}, `));
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  must(await claimHost(run, '/y')).release();
});

test('a place that cannot be used is named with a mend', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const run of [join(file, 'below'), '/proc/plumbline']) {
    const said = saidOf(await claimHost(run, '/x'));
    assert.ok(said.includes(run) && said.includes('PLUMBLINE_RUN'), said);
  }
  const open = join(folder, 'open');
  must(await claimHost(open, '/x')).release();
  chmodSync(open, 0o777);
  assert.match(saidOf(await claimHost(open, '/x')), /^refused: Others may write to .*open\. .*mode 700/);
});
