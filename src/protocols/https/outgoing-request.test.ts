// Requests to servers of others: no redirect, no private address that a name leads to, no foreign certificate, nothing without
// end; and whether the server may have heard it.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { createServer as createRaw, type AddressInfo, type Server } from 'node:net';
import { after, test } from 'node:test';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { type OutgoingRequest, sendOutgoing } from './outgoing-request.ts';
import { AddressRefused, isPrivate, publicLookup } from './private-addresses.ts';

const received: string[] = [];
const listener: Parameters<typeof createServer>[1] = (request, response) => {
  received.push(request.url ?? '');
  switch (request.url ?? '') {
    case '/elsewhere':
      return void response.writeHead(302, { location: '/there' }).end();
    case '/silent':
      return;
    case '/half':
      return void response.writeHead(200).write('half');
    case '/huge': {
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
      return void response.on('close', () => clearInterval(timer));
    }
    case '/broken':
      return void request.socket.destroy();
    default:
      return void response.writeHead(200).end('hello');
  }
};
const certificate = selfSignedCertificate();
const servers = [createServer(listener), createSecure(certificate, listener)] as const;
const ports = await Promise.all(servers.map(portOf));
const plain = `http://127.0.0.1:${ports[0]}`;
const secure = `https://127.0.0.1:${ports[1]}`;
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function send(url: string, rest: Partial<OutgoingRequest> = {}) {
  return await sendOutgoing({
    method: 'POST',
    url: new URL(url),
    headers: {},
    body: '{}',
    timeoutMs: 400,
    answerBytesMax: 1000,
    fingerprint: null,
    privateAddresses: false,
    signal: new AbortController().signal,
    ...rest,
  });
}

test('an answer is what it is; a redirect is one, and is not followed', async () => {
  assert.deepEqual(await send(`${plain}/a`), { kind: 'answered', status: 200, body: 'hello', isCut: false });
  received.length = 0;
  const answer = await send(`${plain}/elsewhere`);
  assert.deepEqual([answer.kind === 'answered' && answer.status, received], [302, ['/elsewhere']]);
});

test('silence after sending is told from what was never sent', async () => {
  assert.equal((await send(`${plain}/silent`)).kind, 'silent');
  assert.equal((await send(`${plain}/broken`)).kind, 'silent');
  const closed = createRaw();
  const port = await portOf(closed);
  await new Promise((resolve) => closed.close(resolve));
  const refused = await send(`http://127.0.0.1:${port}/`);
  assert.ok(refused.kind === 'unsent' && refused.again, JSON.stringify(refused));
  const gone = await send(`${plain}/a`, { signal: AbortSignal.abort() });
  assert.equal(gone.kind, 'unsent');
});

test('a body without end is cut off; a status that came stands, whatever becomes of the body', async () => {
  const huge = await send(`${plain}/huge`, { timeoutMs: 5000 });
  assert.deepEqual(
    [huge.kind === 'answered' && huge.body.length, huge.kind === 'answered' && huge.isCut],
    [1000, true],
  );
  assert.deepEqual(await send(`${plain}/half`), { kind: 'answered', status: 200, body: 'half', isCut: true });
});

test('a name that leads to a private address is refused; an address, or localhost, that stands in the URL is meant', async () => {
  for (const all of [true, false]) {
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    publicLookup('localhost', { all }, resolve);
    assert.ok((await promise) instanceof AddressRefused);
  }
  assert.equal((await send(`${plain.replace('127.0.0.1', 'localhost')}/a`)).kind, 'answered');
  const bracketed = await send('http://[::1]:1/');
  assert.ok(bracketed.kind === 'unsent' && !/private/.test(bracketed.why), JSON.stringify(bracketed));
});

test('nothing is sent to a server that shows another certificate than the pinned one', async () => {
  const pinned = await send(`${secure}/a`, { fingerprint: certificate.fingerprint.toLowerCase() });
  assert.equal(pinned.kind, 'answered', JSON.stringify(pinned));
  received.length = 0;
  for (const fingerprint of ['00'.repeat(32), null]) {
    const refused = await send(`${secure}/a`, { fingerprint });
    assert.equal(refused.kind, 'unsent');
  }
  assert.deepEqual(received, []);
});

test('what cannot stand in a request is never sent', async () => {
  const answer = await send(`${plain}/a`, { headers: { 'x-bad': 'a\r\nb: c' } });
  assert.ok(answer.kind === 'unsent' && !answer.again);
});

const addresses: readonly (readonly [string, boolean])[] = [
  ['127.0.0.1', true],
  ['10.1.2.3', true],
  ['172.31.0.1', true],
  ['192.168.1.1', true],
  ['169.254.169.254', true],
  ['100.64.0.1', true],
  ['0.0.0.0', true],
  ['::1', true],
  ['::', true],
  ['fe80::1', true],
  ['fd00::1', true],
  ['::ffff:127.0.0.1', true],
  ['64:ff9b::7f00:1', true],
  ['not an address', true],
  ['9.9.9.9', false],
  ['172.32.0.1', false],
  ['2620:fe::fe', false],
];
for (const [address, expected] of addresses)
  test(`${address} is ${expected ? 'private' : 'public'}`, () => assert.equal(isPrivate(address), expected));
