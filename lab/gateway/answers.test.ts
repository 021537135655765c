// Name and time answers are read by real resolvers and chronyd; here, byte by byte, what they rely on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerQuery } from './name-server.ts';
import { answerTime } from './time-server.ts';

function query(name: string, type = 1): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const header = Buffer.from([0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

const names = new Map([['app.lab', '10.77.0.12']]);

test('a known name gets its address, in any case', () => {
  for (const name of ['app.lab', 'APP.Lab']) {
    const reply = answerQuery(query(name), names);
    assert.ok(reply);
    assert.equal(reply.readUInt16BE(0), 0x1234);
    assert.equal(reply.readUInt16BE(2), 0x8580, 'response, authoritative, recursion desired and available, no error');
    assert.equal(reply.readUInt16BE(6), 1);
    assert.deepEqual([...reply.subarray(-4)], [10, 77, 0, 12]);
  }
});

test('a known name has no IPv6 address; an unknown one does not exist', () => {
  const noAddress = answerQuery(query('app.lab', 28), names);
  assert.equal(noAddress?.readUInt16BE(6), 0);
  assert.equal((noAddress?.[3] ?? 0) & 15, 0);
  const unknown = answerQuery(query('evil.example'), names);
  assert.equal((unknown?.[3] ?? 0) & 15, 3);
});

test('what is no question gets no answer', () => {
  const cut = query('app.lab');
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(12), cut.subarray(0, 15), cut.subarray(0, cut.length - 3)]) {
    assert.equal(answerQuery(bytes, names), undefined);
  }
});

test('a time reply carries the clock and gives the client its own stamp back', () => {
  const request = Buffer.alloc(48);
  request[0] = 0x23;
  request.write('CLIENTTM', 40, 'latin1');
  const reply = answerTime(request, 1_795_297_517_500);
  assert.ok(reply);
  assert.equal(reply[0], 0x24, 'no leap warning, version 4, server');
  assert.equal(reply.toString('latin1', 24, 32), 'CLIENTTM');
  assert.equal(reply.readUInt32BE(40), 1_795_297_517 + 2_208_988_800);
  assert.equal(reply.readUInt32BE(44), 2 ** 31);
  assert.equal(answerTime(Buffer.alloc(48), 0), undefined, 'not a client packet');
  assert.equal(answerTime(request.subarray(0, 47), 0), undefined);
});
