// A client against a stub that behaves as QEMU's does: pauses at any byte while it runs, says so, and answers in order.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { openGdb } from './gdb-client.ts';
import type { GdbClient } from './gdb-client.ts';
import { encodePacket, PacketReader } from './packet.ts';
import { parseRegisterBytes, Registers, registerNames, setRegister } from './registers.ts';
import { parseStopReply } from './stop-reply.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-gdb-'));
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
after(() => rmSync(directory, { recursive: true, force: true }));

class Stub {
  readonly heard: string[] = [];
  running = true;
  silent = false;
  socket: Socket | null = null;
  readonly #reader = new PacketReader();

  accept(socket: Socket): void {
    this.socket = socket;
    this.stop('T02thread:01;');
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      if (this.running) {
        this.stop('T02thread:01;');
        // QEMU drops the byte that paused it.
        bytes = bytes.subarray(1);
      }
      for (const word of this.#reader.feed(bytes)) this.#answer(word);
    });
  }

  stop(word: string): void {
    this.running = false;
    this.socket?.write(encodePacket(word), 'latin1');
  }

  #answer(word: string): void {
    this.heard.push(word);
    if (this.silent) return;
    this.socket?.write('+');
    if (word === 'vCont;c') {
      this.running = true;
      return;
    }
    if (word.startsWith('vCont;s')) {
      this.stop('T05thread:01;');
      return;
    }
    const answers: Readonly<Record<string, string>> = { 'vCont?': 'vCont;c;C;s;S', g: 'ab'.repeat(608) };
    const answer = word.startsWith('qXfer') ? 'l<target/>' : (answers[word] ?? 'OK');
    this.socket?.write(encodePacket(answer), 'latin1');
  }
}

let count = 0;
async function open(answerMs = 1_000): Promise<{ readonly stub: Stub; readonly client: GdbClient }> {
  count += 1;
  const path = join(directory, `${count}.sock`);
  const stub = new Stub();
  const server = createServer((socket) => stub.accept(socket));
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  const opened = await openGdb(path, { answerMs });
  assert.ok(opened.ok);
  assert.ok(opened.value.runningBefore);
  return { stub, client: opened.value.client };
}

test('questions sent together are answered in order, and settings sent along with the order to run are not mixed up with them', async () => {
  const { stub, client } = await open();
  const stops: number[] = [];
  client.onStop(({ thread }) => stops.push(thread));
  assert.deepEqual(await client.ask(['Hg01', 'g', 'vCont?']), {
    ok: true,
    value: ['OK', 'ab'.repeat(608), 'vCont;c;C;s;S'],
  });
  client.resume(['Hg01', 'P10=00']);
  while (!stub.running) await new Promise((resolve) => setImmediate(resolve));
  stub.stop('T05thread:02;awatch:10;');
  while (stops.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(stops, [2]);
  assert.deepEqual(await client.ask(['vCont?']), { ok: true, value: ['vCont;c;C;s;S'] });
  assert.ok(!stub.heard.includes('?'), 'which would take out every point');
  client.destroy();
  assert.equal(await client.closed, null);
});

test('a guest that was made to run while it was asked is noticed, and what is left of the answers passed over', async () => {
  const { stub, client } = await open();
  stub.running = true;
  const asked = await client.ask(['g', 'Hg02', 'g']);
  assert.ok(!asked.ok);
  assert.equal(asked.error.kind, 'interrupted');
  assert.deepEqual(await client.settleDown(), { ok: true, value: ['vCont;c;C;s;S'] });
  assert.deepEqual(await client.ask(['Hg01']), { ok: true, value: ['OK'] });
  client.destroy();
});

test('an order to run that crossed with somebody else’s is told as such, and the guest stands again for whoever settles it', async () => {
  const { stub, client } = await open();
  const stops: (true | undefined)[] = [];
  client.onStop(({ crossed }) => stops.push(crossed));
  const stopped = async (count: number): Promise<void> => {
    while (stops.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  client.resume();
  while (!stub.running) await new Promise((resolve) => setImmediate(resolve));
  stub.stop('T02thread:01;');
  await stopped(1);
  for (const settings of [[], ['Hg01', 'P10=00']]) {
    const before = stops.length;
    stub.running = true;
    client.resume(settings);
    await stopped(before + 1);
    assert.deepEqual(await client.settleDown(), { ok: true, value: ['vCont;c;C;s;S'] });
    assert.equal(stub.running, false);
  }
  client.resume();
  while (!stub.running) await new Promise((resolve) => setImmediate(resolve));
  stub.stop('T05thread:01;');
  await stopped(4);
  assert.deepEqual(stops, [undefined, true, true, undefined]);
  client.destroy();
});

test('a single step is told to whoever asked for it and to nobody else', async () => {
  const { client } = await open();
  const stops: number[] = [];
  client.onStop(({ signal }) => stops.push(signal));
  const stop = await client.step(1, ['z1,10,1']);
  assert.equal(stop?.signal, 5);
  assert.deepEqual(stops, []);
  client.destroy();
});

test('nothing follows the word that lets the guest go, on which QEMU would crash', async () => {
  const { stub, client } = await open();
  const left = client.ask(['D']);
  client.interrupt();
  client.resume();
  assert.deepEqual(await left, { ok: true, value: ['OK'] });
  const heard = stub.heard.length;
  assert.ok(!(await client.ask(['g'])).ok);
  assert.ok(!(await client.ask(['D'])).ok);
  assert.equal(await client.step(1), null);
  client.interrupt();
  client.resume(['P10=00']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(stub.heard.length, heard);
  assert.equal(stub.heard.at(-1), 'D');
  client.destroy();
});

test('a stub that says no more is given up, with the reason', async () => {
  const { stub, client } = await open(100);
  stub.silent = true;
  const asked = await client.ask(['g']);
  assert.ok(!asked.ok);
  assert.match(asked.error.message, /did not answer/);
  assert.match((await client.closed)?.message ?? '', /did not answer/);
});

test('a connection that is cut is a problem, never an exception', async () => {
  const { stub, client } = await open();
  const asked = client.ask(['g']);
  stub.socket?.destroy();
  const answer = await asked;
  assert.ok(!answer.ok || answer.value.length === 1);
  assert.notEqual(await client.closed, null);
  assert.ok(!(await client.ask(['g'])).ok);
});

test('no stub at all is a problem', async () => {
  assert.ok(!(await openGdb(join(directory, 'none.sock'))).ok);
});

const replies: readonly (readonly [string, ReturnType<typeof parseStopReply>])[] = [
  ['T05thread:01;awatch:ffffffff82a1b2c0;', { signal: 5, thread: 1, atData: true }],
  ['T05thread:0a;watch:10;', { signal: 5, thread: 10, atData: true }],
  ['T05thread:02;', { signal: 5, thread: 2, atData: false }],
  ['T02thread:01;', { signal: 2, thread: 1, atData: false }],
  ['S05', { signal: 5, thread: 0, atData: false }],
  ['OK', null],
  ['E22', null],
  ['05ff', null],
  ['', null],
];
for (const [text, reply] of replies) {
  test(`the word ${JSON.stringify(text)}`, () => assert.deepEqual(parseStopReply(text), reply));
}

test('registers are read where the stub puts them, and set as it takes them', () => {
  const bytes = Buffer.alloc(608);
  registerNames.forEach((_, index) => bytes.writeUInt32LE(0x1000 + index, 8 * index));
  registerNames.forEach((_, index) => bytes.writeUInt32LE(0xffff_0000 + index, 8 * index + 4));
  const registers = parseRegisterBytes(bytes.toString('hex'));
  assert.ok(registers instanceof Registers);
  registerNames.forEach((name, index) => {
    assert.deepEqual([registers.high(name), registers.low(name)], [0xffff_0000 + index, 0x1000 + index]);
  });
  assert.equal(registers.inKernel, true);
  assert.equal(setRegister('rip', { high: 0xffff_ffff, low: 0x8100_0005 }), 'P10=05000081ffffffff');
  for (const bad of ['', 'E22', 'abc', bytes.toString('hex').slice(0, 100), `${bytes.toString('hex')}zz`]) {
    assert.equal(parseRegisterBytes(bad), null, bad.slice(0, 10));
  }
});
