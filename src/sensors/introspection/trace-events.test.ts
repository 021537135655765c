// Lines of a trace in the words of sweeps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TracedEvent } from '../../introspection/trace/trace-event.ts';
import { rawEventOf } from './trace-events.ts';

const line: TracedEvent = {
  kind: 'exec',
  ts: '2026-11-21T19:37:35.123456Z',
  seq: 1,
  pid: 8,
  tgid: 7,
  ppid: 1,
  uid: 33,
  euid: 0,
  comm: 'x',
  exe: '/tmp/x (deleted)',
  argv: ['x', '-v'],
  parentExe: '/usr/sbin/httpd',
  parentArgv: ['httpd'],
  ancestors: ['/usr/sbin/httpd', '/sbin/init'],
  image: 'i',
  startedAfterBootUs: 1,
  cgroup: '/',
  proto: null,
  localAddr: null,
  localPort: null,
  remoteAddr: null,
  remotePort: null,
  childPid: null,
  module: null,
  verdict: null,
};
const ends = { proto: 'tcp', localAddr: '10.0.0.1', localPort: 80, remoteAddr: '10.0.0.9', remotePort: 5000 } as const;

test('a program has its process id, its file without the mark, and where it comes from', () => {
  assert.deepEqual(rawEventOf('vm', line), {
    ts: line.ts,
    host: 'vm',
    kind: 'process_start',
    evidence: 'outside',
    pid: 7,
    ppid: 1,
    exe: '/tmp/x',
    deleted: true,
    argv: ['x', '-v'],
    comm: 'x',
    uid: 33,
    euid: 0,
    parentExe: '/usr/sbin/httpd',
    parentArgv: ['httpd'],
    ancestors: ['/usr/sbin/httpd', '/sbin/init'],
  });
});

test('each kind is the event that a sweep would report, or none', () => {
  const kindOf = (rest: Partial<TracedEvent>): string | undefined =>
    rawEventOf('vm', { ...line, ...ends, ...rest })?.kind;
  assert.equal(kindOf({ kind: 'exit' }), 'process_exit');
  assert.equal(kindOf({ kind: 'connect' }), 'net_connect');
  assert.equal(kindOf({ kind: 'connect', remotePort: null }), undefined);
  assert.equal(kindOf({ kind: 'accept' }), 'net_accept');
  assert.equal(kindOf({ kind: 'listen' }), 'net_listen');
  assert.equal(kindOf({ kind: 'bind' }), undefined);
  assert.equal(kindOf({ kind: 'bind', proto: 'udp', localPort: 53 }), 'net_listen');
  assert.equal(
    kindOf({ kind: 'bind', proto: 'udp', localPort: 40_000 }),
    undefined,
    'a client that waits for an answer',
  );
  for (const kind of ['fork', 'setuid', 'module'] as const) assert.equal(kindOf({ kind }), undefined);
});

test('a loss keeps its time and what is known to be missing', () => {
  const loss = { kind: 'loss', ts: 't', seq: 2, from: 'a', until: 'b', missed: 3, reason: 'busy' } as const;
  const { ts, until, missed, reason } = rawEventOf('vm', loss) ?? {};
  assert.deepEqual([ts, until, missed, reason], ['a', 'b', 3, 'busy']);
  assert.equal('missed' in (rawEventOf('vm', { ...loss, missed: null }) ?? {}), false);
});
