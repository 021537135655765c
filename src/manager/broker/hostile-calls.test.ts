// What a guest wrote, through every configured call: what reaches a receiver outside the body is the same whatever it was.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { assert as holds, asyncProperty, constantFrom, oneof, string } from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import { startMailServer } from '../../sim/mail-server.ts';
import { factsWith, hostileTexts } from '../../sim/simulated-call.ts';
import type { CallDefinitions } from '../call-configuration.ts';
import { makeCallBook } from './call-book.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-hostile-'));
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  return path;
};

const heard: string[] = [];
// Not an HTTP server: the bytes as they came are what counts.
const server = createServer((socket) => {
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const [head = '', ...rest] = text.split('\r\n\r\n');
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (!text.includes('\r\n\r\n') || rest.join('\r\n\r\n').length < length) return;
    heard.push(text);
    socket.end('HTTP/1.1 201 Created\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{"key":"SEC-1"}');
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const mails = await startMailServer();
after(() => {
  server.close();
  mails.close();
  rmSync(directory, { recursive: true, force: true });
});

const urlFile = file('url', `${base}/chat`);
const definitions: CallDefinitions = {
  hook: { webhook: { url: `${base}/hook`, secretFile: file('secret', 'k'.repeat(32)) } },
  slack: { notification: { slack: { urlFile } } },
  teams: { notification: { teams: { urlFile } } },
  mattermost: { notification: { mattermost: { urlFile } } },
  ticket: {
    ticket: {
      url: `${base}/tickets`,
      headers: { Authorization: { file: file('token', 'token'), prefix: 'Bearer ' } },
      body: { a: '{{alarm.title}}', b: 'on {{vm.name}}' },
      key: '/key',
      close: { url: `${base}/tickets/{key}/close`, body: { why: '{{plan.why}}' } },
    },
  },
};
const clock = { now: () => Date.UTC(2026, 10, 22), monotonic: () => 0 };
const book = makeCallBook(
  {
    ...definitions,
    mail: {
      notification: {
        email: { host: '127.0.0.1', port: mails.port, tls: 'none', from: 'p@example.com', to: ['a@example.com'] },
      },
    },
  },
  null,
  clock,
);
const order = (text: string) => ({ key: 'k1', facts: factsWith(text), signal: new AbortController().signal });
const hostile = oneof(constantFrom(...hostileTexts), string({ unit: 'binary', maxLength: 200 }));

/** The request line and the headers, without the length and the signature of the body. */
function headOf(request: string): string {
  return (request.split('\r\n\r\n')[0] ?? '').replace(/^(content-length|webhook-signature): .*$/gim, '$1');
}

for (const name of Object.keys(definitions))
  test(`${name}: the request line and headers are the same, and the body is one JSON document`, async () => {
    const caller = book.caller(name) ?? assert.fail(name);
    heard.length = 0;
    const check = async (text: string): Promise<void> => {
      assert.equal((await caller.call(order(text))).state, 'done');
      if (caller.canEnd) assert.equal((await caller.end(order(text), 'SEC-1')).state, 'done');
    };
    await check('harmless');
    const usual = heard.map(headOf);
    await holds(
      asyncProperty(hostile, async (text) => {
        heard.length = 0;
        await check(text);
        assert.deepEqual(heard.map(headOf), usual);
        for (const request of heard)
          JSON.parse(Buffer.from(request.slice(request.indexOf('\r\n\r\n') + 4), 'latin1').toString());
      }),
      { numRuns: counted(40, 2000), seed: seed() },
    );
  });

test('mail: the commands are the same, and there is one mail for each', async () => {
  const caller = book.caller('mail') ?? assert.fail('mail');
  const commands = () => mails.heard.filter((line) => /^(EHLO|MAIL|RCPT|DATA|QUIT|AUTH)/.test(line));
  await caller.call(order('harmless'));
  const usual = commands().filter((line) => line !== 'QUIT');
  await holds(
    asyncProperty(hostile, async (text) => {
      mails.heard.length = 0;
      mails.taken.length = 0;
      assert.equal((await caller.call(order(text))).state, 'done');
      assert.deepEqual(
        commands().filter((line) => line !== 'QUIT'),
        usual,
      );
      assert.equal(mails.taken.length, 1);
    }),
    { numRuns: counted(40, 2000), seed: seed() },
  );
});

test('a key that would lead elsewhere is never put into an address', async () => {
  const caller = book.caller('ticket') ?? assert.fail('ticket');
  heard.length = 0;
  for (const key of [
    '..',
    '../admin',
    'a/b',
    'a?b',
    'a#b',
    '%2e%2e',
    'a b',
    '',
    '.',
    'a..b',
    'x'.repeat(129),
    'a\r\nb',
  ]) {
    const ended = await caller.end(order('x'), key);
    assert.ok(ended.state === 'failed' && !ended.again, key);
  }
  assert.deepEqual(heard, []);
});
