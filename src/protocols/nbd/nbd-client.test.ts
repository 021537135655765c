// Speaks to servers the test writes byte by byte: a sound one, and ones that lie, stall or break off.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openNbd } from './nbd-client.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-nbd-'));
const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

const disk = Buffer.from(Array.from({ length: 8192 }, (_, index) => index % 251));
const greeting = Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), Buffer.from([0, 3])]);

async function serve(talk: (socket: Socket) => void): Promise<string> {
  const path = join(directory, `${servers.length}.sock`);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    talk(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  return path;
}

function optionReply(type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(0x0003_e889_0455_65a9n, 0);
  header.writeUInt32BE(7, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

function exportInfo(size: number): Buffer {
  const data = Buffer.alloc(12);
  data.writeBigUInt64BE(BigInt(size), 2);
  return optionReply(3, data);
}

const accepted = Buffer.concat([exportInfo(disk.length), optionReply(1, Buffer.alloc(0))]);

/** Answers the option with `answer`, then each request by `reply`. */
function talking(answer: Buffer, reply: (request: Buffer) => Buffer): (socket: Socket) => void {
  return (socket) => {
    socket.write(greeting);
    let negotiated = false;
    socket.on('data', (chunk) => {
      if (negotiated) socket.write(reply(chunk));
      else socket.write(answer);
      negotiated = true;
    });
  };
}

function simpleReply(request: Buffer, error = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(0x6744_6698, 0);
  header.writeUInt32BE(error, 4);
  request.copy(header, 8, 8, 16);
  const from = Number(request.readBigUInt64BE(16));
  return error === 0 ? Buffer.concat([header, disk.subarray(from, from + request.readUInt32BE(24))]) : header;
}

test('bytes are read from where they are asked for, however the answers are cut', async () => {
  const path = await serve((socket) => {
    const pieces = (bytes: Buffer): void => {
      for (const byte of bytes) socket.write(Buffer.from([byte]));
    };
    let requests = 0;
    pieces(greeting);
    socket.on('data', (chunk) => {
      requests += 1;
      pieces(requests === 1 ? accepted : simpleReply(chunk));
    });
  });
  const opened = await openNbd(path, 'disk');
  assert.ok(opened.ok);
  assert.equal(opened.value.sizeBytes, disk.length);
  const [first, second] = await Promise.all([opened.value.read(100, 300), opened.value.read(8000, 192)]);
  assert.ok(first.ok && second.ok);
  assert.deepEqual([first.value, second.value], [disk.subarray(100, 400), disk.subarray(8000)]);
  assert.ok(!(await opened.value.read(8000, 193)).ok, 'beyond its end');
  assert.ok(!(await opened.value.read(-1, 1)).ok);
  opened.value.close();
});

const refusals: readonly (readonly [string, (socket: Socket) => void, RegExp])[] = [
  ['is no NBD server', (socket) => void socket.write(Buffer.alloc(18, 1)), /no NBD/],
  [
    'does not have the export',
    talking(optionReply(0x8000_0006, Buffer.alloc(0)), () => Buffer.alloc(0)),
    /does not give out/,
  ],
  ['names no size', talking(optionReply(1, Buffer.alloc(0)), () => Buffer.alloc(0)), /names no size/],
  [
    'never ends its answer',
    talking(Buffer.concat(Array.from({ length: 20 }, () => exportInfo(1))), () => Buffer.alloc(0)),
    /never ends/,
  ],
  ['answers too much', talking(optionReply(3, Buffer.alloc(5000)), () => Buffer.alloc(0)), /makes no sense/],
  ['breaks off', (socket) => void socket.end(greeting.subarray(0, 9)), /closed the connection/],
];
for (const [what, talk, said] of refusals) {
  test(`a server that ${what} is a problem`, async () => {
    const opened = await openNbd(await serve(talk), 'disk');
    assert.ok(!opened.ok);
    assert.match(opened.error.message, said);
  });
}

test('a read that fails, is answered wrongly or breaks off is a problem', async () => {
  for (const [reply, said] of [
    [(request: Buffer) => simpleReply(request, 5), /error 5/],
    [(request: Buffer) => simpleReply(Buffer.alloc(28).fill(request, 16)), /no request of ours/],
  ] as const) {
    const opened = await openNbd(await serve(talking(accepted, reply)), 'disk');
    assert.ok(opened.ok);
    const read = await opened.value.read(0, 16);
    assert.ok(!read.ok);
    assert.match(read.error.message, said);
    opened.value.close();
  }
  const opened = await openNbd(join(directory, 'nobody.sock'), 'disk');
  assert.ok(!opened.ok);
});
