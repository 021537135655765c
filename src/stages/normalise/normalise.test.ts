// Raw events to observations: a table of what each becomes, and of what is refused and why.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Observation } from '../../model/observation.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { boundArgv, boundText, splitCommandLine } from './command-line.ts';
import { directionOf, listenerKey } from './direction.ts';
import { normalise } from './normalise.ts';
import { canonicalTime, unknownTime } from './time.ts';

const base = { host: 'web1', ts: '2026-11-21T19:37:35.728559Z' } as const;

function observation(event: Partial<RawEvent> & Pick<RawEvent, 'kind'>): Observation {
  const result = normalise({ ...base, ...event });
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

function refused(event: Partial<RawEvent> & Pick<RawEvent, 'kind'>, says: RegExp): void {
  const result = normalise({ ...base, ...event });
  assert.ok(!result.ok, 'was accepted');
  assert.match(result.error.message, says);
}

test('a process as a foreign sensor reports it', () => {
  const event = {
    exe: '/bin/sh',
    cmdline: `sh -c 'echo "a b"' x\\ y`,
    parentExe: '/usr/sbin/cron',
    user: 'root',
  } as const;
  assert.deepEqual(observation({ kind: 'process_start', pid: 7, ...event }), {
    kind: 'process',
    vm: 'web1',
    at: '2026-11-21T19:37:35.728Z',
    evidence: 'claimed',
    pid: 7,
    ppid: null,
    image: { exe: '/bin/sh', deleted: false, argv: ['sh', '-c', 'echo "a b"', 'x y'], uid: 0, euid: null },
    parent: { exe: '/usr/sbin/cron', argv: [] },
    ancestors: ['/usr/sbin/cron'],
  });
});

test('argv wins over cmdline, and names of users other than root say nothing', () => {
  const seen = observation({ kind: 'process_start', exe: '/x', argv: ['a'], cmdline: 'b', user: 'www-data' });
  assert.ok(seen.kind === 'process');
  assert.deepEqual(seen.image.argv, ['a']);
  assert.equal(seen.image.uid, null);
});

test('deleted executables and those that never were files', () => {
  const rows = [
    ['/usr/bin/a (deleted)', '/usr/bin/a', true],
    ['/memfd:x (deleted)', '/memfd:x', true],
    ['memfd:x', '/memfd:x', true],
    ['/usr/bin/a', '/usr/bin/a', false],
  ] as const;
  for (const [reported, exe, deleted] of rows) {
    const seen = observation({ kind: 'process_start', exe: reported });
    assert.ok(seen.kind === 'process');
    assert.deepEqual([seen.image.exe, seen.image.deleted], [exe, deleted]);
  }
});

test('addresses get one spelling', () => {
  const rows = [
    ['::FFFF:10.0.0.9', '10.0.0.9'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ] as const;
  for (const [remoteAddr, expected] of rows) {
    const seen = observation({ kind: 'net_connect', proto: 'tcp', remoteAddr, remotePort: 443 });
    assert.ok(seen.kind === 'outbound');
    assert.deepEqual([seen.remoteAddr, seen.image, seen.localPort], [expected, null, 0]);
  }
});

test('what says too little is refused, naming the field', () => {
  refused({ kind: 'process_start', pid: 7 }, /exe, argv or cmdline/);
  refused({ kind: 'process_start', exe: '', argv: [] }, /exe, argv or cmdline/);
  refused({ kind: 'net_connect', proto: 'tcp', remotePort: 1 }, /remoteAddr/);
  refused({ kind: 'net_connect', proto: 'tcp', remoteAddr: '10.0.0.1' }, /remotePort/);
  refused({ kind: 'net_connect', proto: 'tcp', remoteAddr: '/run/x.sock', remotePort: 1 }, /IP address/);
  refused({ kind: 'net_connect', remoteAddr: '10.0.0.1', remotePort: 1 }, /proto/);
  refused({ kind: 'net_accept', proto: 'tcp', remoteAddr: '10.0.0.1' }, /localPort/);
  refused({ kind: 'net_listen', proto: 'tcp' }, /localPort/);
  refused({ kind: 'process_exit' }, /process_exit/);
  refused({ kind: 'file' }, /file/);
});

test('UDP sockets on ephemeral ports are clients, TCP ones are listeners', () => {
  refused({ kind: 'net_listen', proto: 'udp', localPort: 40_000 }, /client/);
  assert.equal(observation({ kind: 'net_listen', proto: 'udp', localPort: 53 }).kind, 'listen');
  assert.equal(observation({ kind: 'net_listen', proto: 'tcp', localPort: 40_000 }).kind, 'listen');
});

test('what a UDP server sends back is not a call of its own', () => {
  const base = { proto: 'udp', localAddr: '10.0.0.5', remoteAddr: '10.0.0.9' } as const;
  assert.equal(observation({ kind: 'net_connect', ...base, localPort: 53, remotePort: 24_833 }).kind, 'inbound');
  assert.equal(observation({ kind: 'net_connect', ...base, localPort: 24_833, remotePort: 53 }).kind, 'outbound');
  assert.equal(observation({ kind: 'net_connect', ...base, remotePort: 24_833 }).kind, 'outbound');
  assert.equal(
    observation({ kind: 'net_connect', ...base, proto: 'tcp', localPort: 53, remotePort: 24_833 }).kind,
    'outbound',
  );
});

test('a loss keeps its span and its number', () => {
  const seen = observation({ kind: 'loss', until: '2026-11-21T19:38:00Z', missed: 3, reason: 'queue full' });
  assert.ok(seen.kind === 'loss');
  assert.deepEqual([seen.until, seen.missed, seen.reason], ['2026-11-21T19:38:00.000Z', 3, 'queue full']);
});

test('times become comparable texts, and what is no time becomes the unknown one', () => {
  assert.equal(canonicalTime('2026-11-21T19:37:35.123456789Z'), '2026-11-21T19:37:35.123Z');
  assert.equal(canonicalTime('2026-11-21 20:37:35+01:00'), '2026-11-21T19:37:35.000Z');
  for (const bad of [undefined, 'Fri Feb 11 19:23:39 UTC 2022', '2026-99-99T00:00:00Z', ''])
    assert.equal(canonicalTime(bad), unknownTime);
});

test('command lines are split as a shell would, or at blanks when their quotes do not close', () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['a  b', ['a', 'b']],
    [`a 'b c' "d e"f`, ['a', 'b c', 'd ef']],
    [`a '' b`, ['a', '', 'b']],
    [String.raw`"C:\Windows\cmd.exe" /c x`, [String.raw`C:\Windows\cmd.exe`, '/c', 'x']],
    [String.raw`a "\"b\""`, ['a', '"b"']],
    [`sh -c don't stop`, ['sh', '-c', `don't`, 'stop']],
    ['', []],
  ];
  for (const [line, parts] of rows) assert.deepEqual(splitCommandLine(line), parts);
});

test('arguments are bounded, and long ones that differ stay different', () => {
  const long = 'x'.repeat(20_000);
  assert.ok(boundText(long).length < 8300);
  assert.notEqual(boundText(`${long}a`), boundText(`${long}b`));
  const many = Array.from({ length: 5000 }, (_, at) => `argument ${at}`);
  assert.ok(boundArgv(many).length <= 1025);
  assert.notDeepEqual(boundArgv([...many, 'a']), boundArgv([...many, 'b']));
  assert.ok(boundArgv(Array.from({ length: 100 }, () => long)).join('').length < 80_000);
});

test('nothing a sensor may say makes it throw, and every text is well formed', () => {
  const text = fc.string({ unit: 'binary', maxLength: 20 });
  fc.assert(
    fc.property(
      fc.record({
        host: text,
        kind: fc.constantFrom('process_start', 'net_connect', 'net_accept', 'net_listen', 'loss'),
        exe: text,
        cmdline: text,
        argv: fc.option(fc.array(text, { maxLength: 3 }), { nil: undefined }),
        parentExe: text,
        remoteAddr: text,
        ts: text,
      }),
      (event) => {
        const result = normalise(event as RawEvent);
        if (result.ok && result.value.kind === 'process')
          assert.match(result.value.image.argv.join(''), /^[^\0\p{Cs}]*$/u);
      },
    ),
  );
});

test('the listener tells who called whom; without it the ephemeral port does', () => {
  const listening = new Set([listenerKey('tcp', 80), listenerKey('tcp', 40_000)]);
  const rows = [
    ['tcp', 80, 51_000, 'inbound'],
    ['tcp', 40_000, 51_000, 'inbound'],
    ['udp', 80, 51_000, 'inbound'],
    ['tcp', 45_000, 443, 'outbound'],
    ['tcp', 45_000, 51_000, 'outbound'],
    ['tcp', 8080, 51_000, 'inbound'],
    ['tcp', 123, 123, 'outbound'],
    ['udp', 53, 1829, 'inbound'],
    // Windows and BSD draw beyond what Linux does.
    ['udp', 62_196, 53_535, 'outbound'],
    ['tcp', 8080, 62_196, 'inbound'],
    ['udp', 1829, 53, 'outbound'],
    ['tcp', 0, 443, 'outbound'],
    ['tcp', 22, 443, 'outbound'],
    ['tcp', 867, 2049, 'outbound'],
  ] as const;
  for (const [proto, localPort, remotePort, expected] of rows)
    assert.equal(
      directionOf({ proto, localPort, remotePort }, listening),
      expected,
      `${proto} ${localPort} ${remotePort}`,
    );
});
