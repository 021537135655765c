// A stub belongs to who opened it for as long as he lives, wherever he is asked about from.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { isPlumblineStub, ownStub, stubNameOf, takeLeftStub } from './stub-owner.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-own-'));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Stands for QEMU: what counts is whose root the paths are in. */
const qemuPid = process.pid;

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

function placeOf(name: string): string {
  mkdirSync(join(folder, name));
  return join(folder, name, stubNameOf(qemuPid));
}

async function owner(path: string): Promise<ChildProcess> {
  const module = new URL('stub-owner.ts', import.meta.url).href;
  const source = `import(${JSON.stringify(module)}).then(async (m) => {
    const got = await m.ownStub(${JSON.stringify(path)});
    console.log(got.ok);
    setInterval(() => got, 1000);
  })`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(said.toString().trim(), 'true');
  return child;
}

test('a stub is known as one of ours by its name', () => {
  assert.ok(isPlumblineStub(`/var/lib/plumbline/sentinel/stubs/${stubNameOf(7)}`));
  for (const other of ['/run/x.gdb', '/run/plumbline-x.gdb', '/run/plumbline-7.gdb.old', 'plumbline-7.gdb'])
    assert.ok(!isPlumblineStub(other), other);
});

test('while its owner lives nobody takes it, and when he was killed the next one does', async () => {
  const path = placeOf('living');
  const child = await owner(path);
  for (const refused of [await ownStub(path), await takeLeftStub(path, qemuPid)]) {
    assert.ok(!refused.ok && refused.error.kind === 'refused');
    assert.match(refused.error.message, new RegExp(`traced by another Plumbline already \\(process ${child.pid}; `));
  }
  child.kill('SIGSTOP');
  const stopped = await takeLeftStub(path, qemuPid);
  assert.match(stopped.ok ? '' : stopped.error.message, /already \(a sentinel or a verb that does not say who it is; /);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  const taken = must(await takeLeftStub(path, qemuPid));
  // Whoever recovers it is not disturbed either, not by an owner who was started again.
  assert.ok(!(await ownStub(path)).ok);
  taken.release();
  must(await ownStub(path)).release();
});

test('one of a version that told nobody whose it is counts as left', async () => {
  must(await takeLeftStub(placeOf('old'), qemuPid)).release();
});

test('one whose directory was removed is nobody’s', async () => {
  must(await takeLeftStub(join(folder, 'gone', stubNameOf(qemuPid)), qemuPid)).release();
});
