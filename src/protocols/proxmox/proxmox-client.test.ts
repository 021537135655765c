// What a Proxmox VE's answers mean, which settings are refused before anything is sent, and what a task's end is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAnswer, type ProxmoxFault } from './proxmox-answer.ts';
import { proxmoxClient, type ProxmoxCredentials } from './proxmox-client.ts';

const answers: readonly (readonly [number, string, string, ProxmoxFault | null, string])[] = [
  [401, 'Permission denied - invalid csrf token', '', 'session', 'refused'],
  [403, 'OK', '{"data":null,"message":"Permission check failed (/vms/100, VM.PowerMgmt)\\n"}', 'denied', 'refused'],
  [500, 'VM is locked (backup)', '{"data":null}', 'locked', 'refused'],
  [500, 'x', '{"data":null,"message":"checksum mismatch (file change by other user?)\\n"}', 'stale', 'refused'],
  [
    500,
    'detected modified configuration - file changed by other user? Try again.',
    '{"data":null}',
    'stale',
    'refused',
  ],
  [500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist", '{"data":null}', 'absent', 'not-found'],
  [400, 'Parameter verification failed.', '{"data":null,"errors":{"dport":"invalid port"}}', null, 'refused'],
  [500, 'got timeout', '{"data":null}', null, 'failed'],
  [501, "Method 'GET /x' is none", '', null, 'unreadable'],
  [595, 'No route to host', '', null, 'interrupted'],
  [596, 'Connection timed out', '', null, 'interrupted'],
  [200, 'OK', '<html>', null, 'unreadable'],
  [200, 'OK', '{"success":1}', null, 'unreadable'],
  [302, 'Found', '', null, 'failed'],
];
for (const [status, reason, body, fault, kind] of answers)
  test(`status ${status} with ${(body || reason).slice(0, 60)} is ${kind}`, () => {
    const answer = readAnswer('https://pve', 'read x', { status, reason, body });
    assert.ok(!answer.ok);
    assert.deepEqual([answer.error.fault, answer.error.kind], [fault, kind]);
    assert.doesNotMatch(answer.error.message, /[\r\n]/);
    if (status === 400) assert.match(answer.error.message, /dport: invalid port/);
  });

test('an answer without data is one that says nothing, not a refusal', () => {
  assert.deepEqual(readAnswer('https://pve', 'x', { status: 200, reason: 'OK', body: '{"data":null}' }), {
    ok: true,
    value: null,
  });
});

test('what a server says is shown on one line, and not without end', () => {
  const body = JSON.stringify({ data: null, message: `a\r\n\u001b[31mb\u2028${'x'.repeat(5000)}` });
  const answer = readAnswer('https://pve', 'x', { status: 500, reason: '', body });
  assert.ok(!answer.ok && answer.error.message.length < 500 && /a \[31mb x/.test(answer.error.message));
});

const uuid = '0b5cc1a4-7f3e-4b53-9a0e-7a3c0f6f1f00';
const bad: readonly (readonly [string, ProxmoxCredentials])[] = [
  ['a token without its name', { kind: 'token', id: 'plumbline@pve', secret: uuid }],
  ['a token without a realm', { kind: 'token', id: 'plumbline!manager', secret: uuid }],
  ['a token over two lines', { kind: 'token', id: 'plumbline@pve!a\r\nx: y', secret: uuid }],
  ['a token with what the server would unescape', { kind: 'token', id: 'plumb%0aline@pve!a', secret: uuid }],
  ['a secret that is none', { kind: 'token', id: 'plumbline@pve!manager', secret: 'geheim\r\nx: y' }],
  ['a user without a realm', { kind: 'password', user: 'root', password: 'geheim' }],
  ['a user with a token for a name', { kind: 'password', user: 'root@pam!x', password: 'geheim' }],
];
for (const [what, credentials] of bad)
  test(`not accepted: ${what}`, () => {
    const clock = { now: () => 0, monotonic: () => 0 };
    const opened = proxmoxClient({
      url: 'https://pve.example:8006',
      fingerprint: null,
      credentials,
      clock,
      timeoutMs: 1,
      bodyBytesMax: 1,
    });
    assert.ok(!opened.ok && opened.error.kind === 'usage');
    assert.doesNotMatch(JSON.stringify(opened.error), /geheim|0b5cc1a4/);
  });

for (const name of ['..', '.', '', 'a/b', 'a%2fb', 'a\\b', 'a?b', 'a#b', 'a b', 'a;b', 'a\nb', 'ä', 'x'.repeat(1000)])
  test(`no way leads through ${JSON.stringify(name.slice(0, 12))}`, async () => {
    const clock = { now: () => 0, monotonic: () => 0 };
    const credentials = { kind: 'token', id: 'plumbline@pve!manager', secret: uuid } as const;
    // Nobody listens there: what is refused was not asked.
    const url = 'https://127.0.0.1:1';
    const opened = proxmoxClient({ url, fingerprint: null, credentials, clock, timeoutMs: 5000, bodyBytesMax: 1000 });
    assert.ok(opened.ok);
    const answers = [await opened.value.get(['nodes', name]), await opened.value.change('DELETE', [name, 'config'])];
    opened.value.close();
    for (const answer of answers) assert.ok(!answer.ok && answer.error.kind === 'refused', JSON.stringify(answer));
  });
