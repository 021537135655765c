// One living process holds a name: many that try at once, holders that are killed, stopped or gone, and places that cannot be asked.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sayProblem } from '../../kit/problem.ts';
import { claim, holderOf, type Claim } from './claim.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-claim-'));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function taken(path: string, says = 'me'): Promise<Claim> {
  const got = await claim(path, says);
  if (!got.ok) assert.fail(sayProblem(got.error));
  if (got.value.state === 'held') assert.fail(`held by ${got.value.says}`);
  return got.value;
}

/** A process that holds the name at `path`. */
async function holder(path: string): Promise<ChildProcess> {
  const source = `import(${JSON.stringify(new URL('claim.ts', import.meta.url).href)}).then(async (m) => {
    const got = await m.claim(${JSON.stringify(path)}, 'pid ' + process.pid);
    console.log(got.ok && got.value.state);
    setInterval(() => got, 1000);
  })`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(said.toString().trim(), 'ours');
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

test('a name is held until it is released, and says whose it is', async () => {
  const path = join(folder, 'one');
  assert.deepEqual(await holderOf(path), { state: 'free' });
  const mine = await taken(path, 'process 1');
  assert.deepEqual(await holderOf(path), { state: 'held', says: 'process 1' });
  assert.deepEqual(await claim(path, 'process 2'), { ok: true, value: { state: 'held', says: 'process 1' } });
  mine.release();
  mine.release();
  assert.deepEqual(await holderOf(path), { state: 'free' });
  (await taken(path)).release();
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('one')),
    [],
  );
});

test('of many that try at once one has it, also where a dead one left its socket', async () => {
  const path = join(folder, 'many');
  for (const leftover of [false, true]) {
    if (leftover) await ended(await holder(path));
    const all = await Promise.all(Array.from({ length: 12 }, async (_, i) => await claim(path, `${i}`)));
    const ours = all.flatMap((got) => (got.ok && got.value.state === 'ours' ? [got.value] : []));
    assert.equal(ours.length, 1, JSON.stringify(all));
    assert.equal((await holderOf(path)).state, 'held');
    ours[0]?.release();
  }
});

test('a holder that is killed has it no longer; one that is stopped still does, and says nothing', async () => {
  const path = join(folder, 'process');
  const child = await holder(path);
  assert.deepEqual(await holderOf(path), { state: 'held', says: `pid ${child.pid}` });
  child.kill('SIGSTOP');
  assert.deepEqual(await holderOf(path), { state: 'held', says: '' });
  await ended(child);
  assert.deepEqual(await holderOf(path), { state: 'free' });
  (await taken(path)).release();
});

test('one that is asked in the moment it is killed is waited for', async () => {
  const path = join(folder, 'dying');
  for (let round = 0; round < 5; round += 1) {
    const child = await holder(path);
    child.kill('SIGKILL');
    (await taken(path)).release();
  }
});

test('what is released is only what is ours', async () => {
  const path = join(folder, 'replaced');
  const first = await taken(path, 'first');
  rmSync(path);
  const second = await taken(path, 'second');
  first.release();
  assert.deepEqual(await holderOf(path), { state: 'held', says: 'second' });
  second.release();
});

test('a file that is no socket is nobody, and a path that cannot be one is refused', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  assert.deepEqual(await holderOf(file), { state: 'free' });
  (await taken(file)).release();
  const long = join(folder, 'x'.repeat(100));
  assert.equal((await holderOf(long)).state, 'unknown');
  for (const path of [long, join(folder, 'nowhere', 'name'), '/proc/plumbline']) {
    const refused = await claim(path, 'me');
    assert.ok(!refused.ok && refused.error.mend !== undefined, path);
    assert.ok(refused.error.message.includes(path), refused.error.message);
  }
});

test('what a holder says is cut short, and one that never ends its words is left', async () => {
  const path = join(folder, 'endless');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    const more = (): void => void (socket.writable && socket.write('x'.repeat(10_000), more));
    more();
  }).listen(path);
  await once(server, 'listening');
  const held = await holderOf(path);
  assert.ok(held.state === 'held' && held.says.length === 4096);
  server.close();
});
