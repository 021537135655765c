// The webhook against the service that docs/calls.md shows, run as it stands there; and what tampers with it on its way.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { factsWith } from '../../../sim/simulated-call.ts';
import { makeWebhookCaller, signatureOf } from './webhook-caller.ts';

const key = 'the key that both sides know, 32+';
const directory = mkdtempSync(join(tmpdir(), 'plumbline-webhook-'));
const secretFile = join(directory, 'key');
const document = readFileSync(new URL('../../../../docs/calls.md', import.meta.url), 'utf8');
let service: ChildProcess;
let url: URL;

before(async () => {
  writeFileSync(secretFile, `${key}\n`, { mode: 0o600 });
  const snippet = /```js\n(.*?)```/s.exec(document)?.[1] ?? assert.fail('docs/calls.md shows no service');
  const file = join(directory, 'service.mjs');
  writeFileSync(file, snippet);
  service = spawn(process.execPath, [file, secretFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve) =>
    service.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
  );
  url = new URL(`http://127.0.0.1:${port}/plumbline`);
});
after(() => {
  service.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function call(id: string, rest: { now?: () => number; secretFile?: string } = {}) {
  const caller = makeWebhookCaller({
    url,
    place: 'here',
    timeoutMs: 5000,
    fingerprint: null,
    privateAddresses: false,
    secretFile,
    now: () => Date.now(),
    ...rest,
  });
  return await caller.call({ key: id, facts: factsWith('"x"\n$(y)'), signal: new AbortController().signal });
}

test('the service of the document takes what we sign, and does it once for one id', async () => {
  const first = await call('id1');
  assert.deepEqual(first, { state: 'done', evidence: `here answered HTTP 200: ticket 1 for ${factsWith('').vm.id}` });
  assert.deepEqual(await call('id1'), first);
  assert.match((await call('id2')).evidence, /ticket 2 for/);
});

test('it refuses what is old, and what is signed with another key', async () => {
  const old = await call('id3', { now: () => Date.now() - 600_000 });
  assert.ok(old.state === 'failed' && !old.again && /HTTP 401/.test(old.evidence), JSON.stringify(old));
  const other = join(directory, 'other');
  writeFileSync(other, 'x'.repeat(40), { mode: 0o600 });
  assert.match((await call('id3', { secretFile: other })).evidence, /HTTP 401/);
});

test('it refuses a body, an id or a time that was changed on the way', async () => {
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = { 'webhook-id': 'id4', 'webhook-timestamp': String(timestamp) };
  const body = JSON.stringify(factsWith('x'));
  const signature = signatureOf(Buffer.from(key), 'id4', timestamp, body);
  const post = async (changed: Record<string, string>, sent = body) =>
    (
      await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'webhook-signature': signature, ...changed },
        body: sent,
      })
    ).status;
  assert.equal(await post({}), 200);
  assert.equal(await post({}, body.replace('critical', 'minor')), 401);
  assert.equal(await post({ 'webhook-id': 'id5' }), 401);
  assert.equal(await post({ 'webhook-timestamp': String(timestamp + 1) }), 401);
  assert.equal(await post({ 'webhook-signature': '' }), 401);
});

test('the signature is that of Standard Webhooks, with the key behind its prefix in base64', async () => {
  // The example of the specification's reference libraries.
  const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
  const signed = signatureOf(secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}');
  assert.equal(signed, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  const prefixed = join(directory, 'prefixed');
  writeFileSync(prefixed, `whsec_${Buffer.from(key).toString('base64')}\n`, { mode: 0o600 });
  assert.equal((await call('id6', { secretFile: prefixed })).state, 'done');
  assert.equal(createHmac('sha256', key).digest().length, 32);
});

const secrets: readonly (readonly [string, string, number, RegExp])[] = [
  ['that is short', 'x'.repeat(23), 0o600, /shorter than 24 bytes/],
  ['that everybody may read', key, 0o644, /may be read or written by everybody/],
  ['of two lines', `${key}\n${key}`, 0o600, /one line of printable ASCII/],
  ['that is empty', '', 0o600, /one line of printable ASCII/],
  ['that is long', 'x'.repeat(10_000), 0o600, /longer than/],
];
for (const [what, text, mode, why] of secrets)
  test(`a secret ${what} is not used`, async () => {
    const file = join(directory, 'bad');
    writeFileSync(file, text);
    chmodSync(file, mode);
    const outcome = await call('id7', { secretFile: file });
    assert.equal(outcome.state, 'failed');
    assert.match(outcome.evidence, why);
    assert.doesNotMatch(outcome.evidence, /both sides know/);
  });
