// The output of a trace as a recording: what each kind of line becomes, and which say nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { RawEvent } from '../../model/raw-event.ts';
import { readEvents } from './read-events.ts';

const dir = mkdtempSync(join(tmpdir(), 'plumbline-trace-'));
after(() => rmSync(dir, { recursive: true }));

const facts = { ts: '2026-11-21T19:37:35.123456Z', host: 'web1', pid: 8, tgid: 7, ppid: 1, uid: 33, euid: 33 };
const program = { comm: 'sh', exe: '/bin/sh', argv: ['sh', '-c', 'id'], parentExe: '/usr/sbin/httpd', verdict: null };
const ends = { proto: 'tcp', localAddr: '10.0.0.1', localPort: 8080, remoteAddr: '10.0.0.2', remotePort: 5555 };

async function read(...lines: readonly object[]): Promise<readonly RawEvent[]> {
  const path = join(dir, 'trace.ndjson');
  writeFileSync(path, lines.map((line) => JSON.stringify(line)).join('\n'));
  const read = await Array.fromAsync(readEvents(path));
  return read.map(({ result, unusable }) => {
    assert.deepEqual(unusable, []);
    return result.ok ? result.value : assert.fail(result.error.message);
  });
}

test('programs and sockets become the events a sweep would have reported', async () => {
  const [exec, connect, listen, udp] = await read(
    { kind: 'exec', seq: 1, ...facts, ...program, remoteAddr: null },
    { kind: 'connect', seq: 2, ...facts, ...program, ...ends },
    { kind: 'listen', seq: 3, ...facts, ...program, ...ends, remoteAddr: null, remotePort: null },
    { kind: 'bind', seq: 4, ...facts, ...program, ...ends, proto: 'udp', localPort: 53, remoteAddr: null },
  );
  assert.deepEqual(exec, {
    ts: facts.ts,
    host: 'web1',
    kind: 'process_start',
    evidence: 'outside',
    pid: 7,
    ppid: 1,
    exe: '/bin/sh',
    argv: ['sh', '-c', 'id'],
    comm: 'sh',
    uid: 33,
    euid: 33,
    parentExe: '/usr/sbin/httpd',
  });
  assert.deepEqual([connect?.kind, connect?.remotePort, connect?.pid], ['net_connect', 5555, 7]);
  assert.deepEqual([listen?.kind, listen?.localPort, listen?.remoteAddr], ['net_listen', 8080, undefined]);
  assert.deepEqual([udp?.kind, udp?.proto, udp?.localPort], ['net_listen', 'udp', 53]);
});

test('a loss has its time, and a VM that is not named has a name all the same', async () => {
  const { host: _, ...unnamed } = facts;
  const [loss, exit] = await read(
    { kind: 'loss', seq: 5, ts: facts.ts, from: '2026-11-21T19:37:30Z', until: facts.ts, missed: 3, reason: 'busy' },
    { kind: 'exit', seq: 6, ...unnamed, ...program },
  );
  assert.deepEqual([loss?.kind, loss?.ts, loss?.until, loss?.missed], ['loss', '2026-11-21T19:37:30Z', facts.ts, 3]);
  assert.deepEqual([exit?.kind, exit?.host], ['process_exit', 'traced']);
});

test('what says nothing of behaviour, and what was refused, is no event and no fault', async () => {
  const none = await read(
    { kind: 'fork', seq: 1, ...facts, ...program, childPid: 9 },
    { kind: 'setuid', seq: 2, ...facts, ...program },
    { kind: 'module', seq: 3, ...facts, module: 'x' },
    { kind: 'bind', seq: 4, ...facts, ...program, ...ends },
    { kind: 'exec', seq: 5, ...facts, ...program, verdict: 'block' },
    { kind: 'summary', counts: { exec: 1 }, lost: 0, stops: 5, stolenMs: 1 },
  );
  assert.deepEqual(none, []);
});
