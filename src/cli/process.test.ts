// The program as a process: how `up` begins and ends, what a second one is told, and that closed pipes, killed parents and starts that
// hang leave nothing behind.
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const directory = mkdtempSync(join(tmpdir(), 'plumbline-process-'));
const started: Plumbline[] = [];
const patienceMs = 60_000;
/** Tests that run beside these have sentinels of their own. */
const run = join(directory, 'run');
const { stopChild } = createRequire(import.meta.url)('../../bin/stop-child.js') as {
  readonly stopChild: (child: ChildProcess, signal: string, say: (sentence: string) => void, withinMs: number) => void;
};

type Plumbline = ChildProcessByStdio<null, Readable, Readable>;

after(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

function plumbline(...args: string[]): Plumbline {
  return plumblineIn({}, ...args);
}

function plumblineIn(env: NodeJS.ProcessEnv, ...args: string[]): Plumbline {
  const child = spawn(join(root, 'bin', 'plumbline'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PLUMBLINE_STATE: join(directory, 'state'), PLUMBLINE_RUN: run, ...env },
  });
  started.push(child);
  return child;
}

async function ended(child: Plumbline): Promise<{ code: number | null; out: string; err: string }> {
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit', { signal: AbortSignal.timeout(patienceMs) }) as Promise<[number | null]>,
  ]);
  return { code, out, err };
}

/** The first thing it says on its standard output, and what it had said to its log; one that ends or stays silent fails with that log. */
async function firstWords(child: Plumbline): Promise<{ line: string; log: () => string }> {
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const signal = AbortSignal.timeout(patienceMs);
  const first = once(child.stdout, 'data', { signal }).catch(() => [`silent for ${patienceMs} ms`]);
  const ending = once(child.stdout, 'end', { signal }).then(
    () => ['ended'],
    () => ['silent'],
  );
  const [said] = (await Promise.race([first, ending])) as [Buffer | string];
  if (typeof said === 'string') assert.fail(`${said}; it had told: ${log}`);
  return { line: said.toString(), log: () => log };
}

async function up(...args: string[]): Promise<{ child: Plumbline; address: string; console: string }> {
  const child = plumbline('up', '--json', ...args);
  const { line } = await firstWords(child);
  return { child, ...(JSON.parse(line) as { address: string; console: string }) };
}

async function exitCode(child: Plumbline): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(patienceMs) })) as [number | null];
  return code;
}

test('up serves its console to who has the link, refuses a second one, and ends in order', async () => {
  const first = await up('--port', '0');
  const link = await fetch(first.console, { redirect: 'manual' });
  assert.equal(link.status, 303);
  assert.match(link.headers.get('set-cookie') ?? '', /HttpOnly/);
  assert.equal((await fetch(`${first.address}/api/v1/status`)).status, 401);
  const status = await ended(plumbline('status', '--json'));
  assert.equal(status.code, 0, status.err);

  assert.equal((await ended(plumbline('console'))).out, `${first.console}\n`);

  const second = await ended(plumbline('up', '--port', '0'));
  assert.equal(second.code, 5);
  assert.match(second.err, /is up already with the state directory .*state \(process \d+\)\.\n.*stop it first/);
  const port = new URL(first.address).port;
  const other = join(directory, 'other');
  const elsewhere = await ended(plumbline('up', '--port', port, '--state', other));
  assert.equal(elsewhere.code, 5);
  assert.match(elsewhere.err, /Another sentinel watches the VMs of this host already: process \d+, .*state\.\n/);
  assert.ok(!existsSync(other), 'it began something all the same');
  // On two hosts that share a file system and a port, as in two containers.
  const apart = join(directory, 'apart');
  const onOneState = await ended(plumblineIn({ PLUMBLINE_RUN: apart }, 'up', '--port', '0'));
  assert.equal(onOneState.code, 5);
  assert.match(onOneState.err, /Another manager is using the state directory/);
  const onOnePort = await ended(plumblineIn({ PLUMBLINE_RUN: apart }, 'up', '--port', port, '--state', other));
  assert.equal(onOnePort.code, 1, onOnePort.err);
  assert.match(onOnePort.err, new RegExp(port));
  assert.doesNotMatch(onOnePort.err, /\n\s+at /);
  assert.deepEqual(readdirSync(apart), []);

  first.child.kill('SIGTERM');
  assert.equal(await exitCode(first.child), 0);
  const gone = await ended(plumbline('status', '--json'));
  assert.equal(gone.code, 1);
  assert.match(gone.err, /plumbline up/);
});

test('whoever kills what he started kills the server with it', async () => {
  const { child, address } = await up('--port', '0');
  child.kill('SIGKILL');
  await exitCode(child);
  const deadline = Date.now() + patienceMs;
  const answers = async () =>
    await fetch(address).then(
      () => true,
      () => false,
    );
  while (await answers()) {
    assert.ok(Date.now() < deadline, 'the server lives on');
    await sleep(50);
  }
  // Neither the state directory nor the host is taken any more.
  const again = await up('--port', '0');
  again.child.kill('SIGINT');
  assert.equal(await exitCode(again.child), 0);
  assert.ok(!existsSync(join(directory, 'state', 'api.json')));
});

test('a configuration that is wrong is refused with its line', async () => {
  const config = join(directory, 'config.yaml');
  writeFileSync(config, 'api:\n  port: 0\n  prot: 7\n');
  const { code, err } = await ended(plumbline('up', '--config', config));
  assert.equal(code, 2, err);
  assert.match(err, /config\.yaml:3: api\.prot is not a known field/);
  assert.equal((await ended(plumbline('up', '--config', join(directory, 'none.yaml')))).code, 3);
});

test('a configuration that is a pipe nobody writes to is refused and not waited for', async () => {
  const pipe = join(directory, 'pipe.yaml');
  execFileSync('mkfifo', [pipe]);
  for (const config of [pipe, '/dev/zero', directory]) {
    const { code, err } = await ended(plumbline('up', '--config', config));
    assert.equal(code, 4, err);
    assert.match(err, /is not a file|cannot be read/);
  }
});

test('a verb that waits for a pipe nobody writes to ends when it is asked to', async () => {
  const pipe = join(directory, 'scopes.yaml');
  execFileSync('mkfifo', [pipe]);
  const child = plumbline('apply', '-f', pipe, '--preview');
  const writer = await readerOf(pipe);
  const beganMs = performance.now();
  child.kill('SIGINT');
  assert.notEqual(await exitCode(child), 0);
  assert.ok(performance.now() - beganMs < 10_000);
  closeSync(writer);
});

/** Our end of the pipe, as soon as somebody reads it: from then on he waits for what we do not write. */
async function readerOf(pipe: string): Promise<number> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(50))
    try {
      return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      assert.ok(Date.now() < deadline, 'nobody reads it');
    }
}

test('one that hears no signal is killed, and its starter says so; one that ends is not', async () => {
  for (const hears of [true, false]) {
    const source = `process.on('SIGTERM', () => ${hears ? 'setTimeout(() => process.exit(7), 50)' : 'undefined'});
      setInterval(() => undefined, 1000); console.log('up');`;
    const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const said: string[] = [];
    const exit = once(child, 'exit');
    for (const _ of [1, 2]) stopChild(child, 'SIGTERM', (sentence) => said.push(sentence), 2000);
    assert.deepEqual(await exit, hears ? [7, null] : [null, 'SIGKILL']);
    assert.equal(said.length, hears ? 0 : 1);
    if (!hears) assert.match(said[0] ?? '', /hangs: 2 seconds after SIGTERM it had not ended, and was killed/);
  }
});

test('a reader that has seen enough is no error', async () => {
  const entry = {
    seq: 1,
    at: '2026-11-21T21:00:00.000Z',
    by: 'x',
    verb: 'v',
    subject: 's',
    outcome: 'done',
    detail: 'd'.repeat(4000),
  };
  const server = createServer((_, reply) => {
    reply.setHeader('content-type', 'application/json');
    reply.end(JSON.stringify({ items: Array.from({ length: 500 }, () => entry), next: null, total: 500 }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const state = mkdtempSync(join(directory, 'stand-in-'));
  const { port } = server.address() as AddressInfo;
  writeFileSync(join(state, 'api.json'), JSON.stringify({ address: `http://127.0.0.1:${port}` }));
  writeFileSync(join(state, 'token'), 'token');
  try {
    const child = plumbline('audit', '--state', state);
    child.stdout.once('data', () => child.stdout.destroy());
    const [err, code] = await Promise.all([text(child.stderr), exitCode(child)]);
    assert.deepEqual([code, err], [0, '']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('what answers without being a manager is said to be none', async () => {
  const server = createServer((_, reply) => reply.end('<html>hello</html>')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const state = mkdtempSync(join(directory, 'stranger-'));
  const { port } = server.address() as AddressInfo;
  writeFileSync(join(state, 'api.json'), JSON.stringify({ address: `http://127.0.0.1:${port}` }));
  writeFileSync(join(state, 'token'), 'token');
  const { code, err } = await ended(plumbline('status', '--state', state));
  server.closeAllConnections();
  server.close();
  assert.equal(code, 4);
  assert.match(err, /did not answer in JSON/);
});

test('a log that nobody watches holds no way in', async () => {
  const child = plumbline('up', '--port', '0');
  const { line, log } = await firstWords(child);
  child.kill('SIGTERM');
  assert.equal(await exitCode(child), 0);
  assert.match(line, /^Plumbline is up at http:\/\/127\.0\.0\.1:\d+; /);
  assert.doesNotMatch(line + log(), /token=/);
  for (const entry of log().trimEnd().split('\n'))
    assert.equal(typeof (JSON.parse(entry) as { msg: unknown }).msg, 'string');
});

test('a process that does not end though it has done its work is ended, with its exit code', async () => {
  const stuck = "data:text/javascript,process.on('exit',()=>{while(process.channel);})";
  const child = plumblineIn({ NODE_OPTIONS: `--import=${stuck}` }, 'no-such-verb');
  const beganMs = performance.now();
  assert.equal((await ended(child)).code, 2);
  assert.ok(performance.now() - beganMs > 3000, 'it ended by itself');
});

test('a server whose starter has gone before it could listen for that ends too', async () => {
  const child = spawn(process.execPath, [join(root, 'src', 'cli', 'main.ts'), 'up', '--port', '0'], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, PLUMBLINE_STATE: join(directory, 'left'), PLUMBLINE_RUN: run },
  });
  after(() => child.kill('SIGKILL'));
  child.disconnect();
  const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(patienceMs) })) as [number | null];
  assert.equal(code, 0);
});
