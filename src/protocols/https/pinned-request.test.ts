// The pin: nothing reaches a server that shows another certificate, and no server makes us wait or grow without end.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import { createServer as createSilent, type AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { httpsClient, type HttpsClient } from './pinned-request.ts';

const certificate = selfSignedCertificate();
const other = selfSignedCertificate();
const received: string[] = [];
const server = createServer(certificate, (request, response) => {
  received.push(`${request.method} ${request.url}`);
  if (request.url === '/huge') {
    const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
    response.on('close', () => clearInterval(timer));
    return;
  }
  if (request.url === '/silent') return;
  if (request.url === '/half') {
    response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy());
    return;
  }
  if (request.url === '/none') return void response.writeHead(404).end('there is none');
  response.setHeader('set-cookie', 'a=b').end('hello');
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `https://127.0.0.1:${portOf(server)}`;
after(() => {
  server.closeAllConnections();
  server.close();
});

const asked = { method: 'GET', headers: {}, body: null, timeoutMs: 500, bodyBytesMax: 1_000_000 } as const;

test('with the right pin it answers, with colons or without', async () => {
  for (const fingerprint of [certificate.fingerprint, certificate.fingerprint.replaceAll(':', '').toLowerCase()]) {
    const client = open(url, fingerprint);
    const answer = await client.ask({ ...asked, path: '/a' });
    client.close();
    assert.ok(answer.ok, JSON.stringify(answer));
    assert.deepEqual([answer.value.status, answer.value.body, answer.value.setCookie], [200, 'hello', ['a=b']]);
  }
});

test('another certificate is refused before anything is sent', async () => {
  received.length = 0;
  const client = open(url, other.fingerprint);
  const answer = await client.ask({ ...asked, path: '/secret', headers: { authorization: 'secret' } });
  client.close();
  assert.ok(!answer.ok && answer.error.kind === 'refused', JSON.stringify(answer));
  assert.match(answer.error.message, new RegExp(certificate.fingerprint.replaceAll(':', '').toLowerCase()));
  assert.deepEqual(received, []);
});

test('without a pin a certificate that nobody vouches for is refused', async () => {
  const client = open(url, null);
  const answer = await client.ask({ ...asked, path: '/a' });
  client.close();
  assert.ok(!answer.ok && /self-signed/.test(answer.error.message), JSON.stringify(answer));
});

test('an answer without end is cut off, one that never comes is not waited for', async () => {
  const client = open(url, certificate.fingerprint);
  const huge = await client.ask({ ...asked, path: '/huge', timeoutMs: 5000 });
  assert.ok(!huge.ok && /more than 1000000 bytes/.test(huge.error.message), JSON.stringify(huge));
  const silent = await client.ask({ ...asked, path: '/silent' });
  assert.ok(!silent.ok && silent.error.kind === 'interrupted' && /within 500 ms/.test(silent.error.message));
  const given = new AbortController();
  setTimeout(() => given.abort(), 20);
  const stopped = await client.ask({ ...asked, path: '/silent', timeoutMs: 60_000, signal: given.signal });
  assert.ok(!stopped.ok && stopped.error.kind === 'interrupted');
  client.close();
});

test('a socket that accepts and says nothing is not waited for', async () => {
  const silent = createSilent(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const client = open(`https://127.0.0.1:${portOf(silent)}`, certificate.fingerprint);
  const answer = await client.ask({ ...asked, path: '/a' });
  assert.ok(!answer.ok && /did not answer within 500 ms/.test(answer.error.message), JSON.stringify(answer));
  client.close();
  silent.close();
});

const badSettings: readonly (readonly [string, string, string | null])[] = [
  ['plain HTTP', 'http://vc.example', null],
  ['a path', 'https://vc.example/sdk', null],
  ['a password in the address', 'https://root:secret@vc.example', null],
  ['no address', 'vc.example', null],
  ['a short fingerprint', 'https://vc.example', 'AB:CD'],
];

for (const [what, address, fingerprint] of badSettings) {
  test(`not accepted: ${what}`, () => {
    const client = httpsClient({ url: address, fingerprint });
    assert.ok(!client.ok && client.error.kind === 'usage');
    assert.doesNotMatch(client.error.message, /secret/);
  });
}

test('a file is handed over as it comes, as far as it is wanted, and no refusal is taken for one', async () => {
  const client = open(url, certificate.fingerprint);
  const fetch = async (path: string, bytesMax = 1_000_000, timeoutMs = 5000) => {
    let size = 0;
    const answer = await client.download(
      { path, headers: {}, timeoutMs },
      (chunk) => (size += chunk.length) < bytesMax,
    );
    return { answer, size };
  };
  const whole = await fetch('/a');
  assert.ok(whole.answer.ok && whole.size === 5 && whole.answer.value.body === '', JSON.stringify(whole));
  const enough = await fetch('/huge', 200_000);
  assert.ok(enough.answer.ok && enough.size >= 200_000 && enough.size < 2_000_000, JSON.stringify(enough));
  const endless = await fetch('/huge', Number.POSITIVE_INFINITY, 200);
  assert.ok(!endless.answer.ok && endless.answer.error.kind === 'interrupted', JSON.stringify(endless));
  const half = await fetch('/half');
  assert.ok(!half.answer.ok && half.answer.error.kind === 'interrupted' && half.size === 4, JSON.stringify(half));
  const none = await fetch('/none');
  assert.ok(none.answer.ok && none.size === 0, JSON.stringify(none));
  assert.deepEqual([none.answer.value.status, none.answer.value.body], [404, 'there is none']);
  client.close();
  const foreign = open(url, other.fingerprint);
  const refused = await foreign.download({ path: '/a', headers: {}, timeoutMs: 500 }, () => assert.fail());
  foreign.close();
  assert.ok(!refused.ok && refused.error.kind === 'refused');
});

function open(address: string, fingerprint: string | null): HttpsClient {
  const client = httpsClient({ url: address, fingerprint });
  assert.ok(client.ok);
  return client.value;
}

function portOf(listening: Server | ReturnType<typeof createSilent>): number {
  return (listening.address() as AddressInfo).port;
}
