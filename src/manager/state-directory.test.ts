// The state directory: one manager at a time, private files, whole or not at all; and no lock that outlives its holder.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openStateDirectory } from './state-directory.ts';
import { openSeals } from './signing/seals.ts';
import { must, startOn } from './trial.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-state-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a second manager on the same directory is refused, in this process and in another', async () => {
  const path = join(folder, 'one');
  const module = new URL('state-directory.ts', import.meta.url).href;
  const source = `import(${JSON.stringify(module)}).then((m) => {
    const held = m.openStateDirectory(${JSON.stringify(path)});
    console.log(held.ok);
    setInterval(() => held, 1000);
  })`;
  const holder = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  after(() => holder.kill('SIGKILL'));
  const said = await new Promise<string>((resolve) =>
    holder.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
  assert.equal(said.trim(), 'true');
  const refused = openStateDirectory(path);
  assert.ok(!refused.ok && refused.error.kind === 'refused');
  assert.match(refused.error.message, /Another manager is using/);
  // However it ends, its claim ends with it.
  const gone = new Promise((resolve) => holder.once('exit', resolve));
  holder.kill('SIGKILL');
  await gone;
  const mine = must(openStateDirectory(path));
  assert.ok(!openStateDirectory(path).ok);
  // Nor has asking for it a second time here given it away to others.
  const another = spawnSync(process.execPath, ['-e', source.replace(/setInterval.*1000\);/, '')], { encoding: 'utf8' });
  assert.equal(another.stdout.trim(), 'false', another.stderr);
  mine.close();
  must(openStateDirectory(path)).close();
});

test('files are private, made once and replaced whole', () => {
  const state = must(openStateDirectory(join(folder, 'two')));
  const first = must(state.readOrMake('secret', () => 'made'));
  assert.deepEqual([first, must(state.readOrMake('secret', () => 'made again'))], ['made', 'made']);
  must(state.write('secret', 'new'));
  assert.equal(readFileSync(state.fileOf('secret'), 'utf8'), 'new');
  assert.deepEqual(readdirSync(state.path).toSorted(), ['lock', 'secret']);
  assert.equal(statSync(state.fileOf('secret')).mode & 0o777, 0o600);
  assert.equal(statSync(state.path).mode & 0o777, 0o700);
  state.close();
});

test('a place that cannot be a state directory is named with a mend', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'below'), '/sys/plumbline', '/proc/plumbline']) {
    const refused = openStateDirectory(path);
    assert.ok(!refused.ok && refused.error.mend !== undefined, path);
    assert.ok(refused.error.message.includes(path), refused.error.message);
  }
});

test('a signing key that is none is not replaced by a new one', () => {
  const state = must(openStateDirectory(join(folder, 'three')));
  const key = must(openSeals(state)).keyid;
  assert.equal(must(openSeals(state)).keyid, key);
  must(state.write('signing-key.pem', 'garbage'));
  const refused = openSeals(state);
  assert.ok(!refused.ok && /not an Ed25519 private key/.test(refused.error.message));
  assert.equal(readFileSync(state.fileOf('signing-key.pem'), 'utf8'), 'garbage');
  state.close();
});

test('everything a manager leaves in its directory is private, and its address goes with it', async () => {
  const path = join(folder, 'four');
  const manager = must(await startOn(path));
  const open = readdirSync(path).filter((name) => (statSync(join(path, name)).mode & 0o077) !== 0);
  assert.deepEqual(open, []);
  assert.ok(readdirSync(path).includes('api.json'));
  const second = await startOn(path);
  assert.ok(!second.ok && /Another manager/.test(second.error.message));
  await manager.close();
  assert.ok(!readdirSync(path).includes('api.json'));
  writeFileSync(join(path, 'manager.db'), 'no database '.repeat(500));
  const broken = await startOn(path);
  assert.ok(!broken.ok && broken.error.kind === 'unreadable');
  rmSync(join(path, 'manager.db'));
  await must(await startOn(path)).close();
});
