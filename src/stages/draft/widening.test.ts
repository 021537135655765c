// What drafting makes of several learned peers and ports: tables of what widens, and of what must not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Behaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { parseBehaviour, subsumes } from '../../pattern/behaviour-pattern.ts';
import { drawnPortsMin, widenDrawnPorts } from './drawn-ports.ts';
import { directoryServices } from './directory-services.ts';
import { widenOpenCallers } from './open-callers.ts';
import { widenRemoteProcedures } from './remote-procedures.ts';
import { windowsCallers } from './windows-callers.ts';

function entry(behaviour: Behaviour): ProfileEntry {
  const at = '2026-11-21T00:00:00.000Z';
  return { behaviour, count: 1, firstAt: at, lastAt: at, members: ['a'] };
}

function call(exe: string, peer: string, port: number): ProfileEntry {
  return entry({ kind: 'outbound', exe, proto: 'tcp', peer, port: String(port) });
}

function reached(exe: string, peer: string, port: number): ProfileEntry {
  return entry({ kind: 'inbound', exe, proto: 'tcp', peer, port: String(port) });
}

/** `exe peer:port` of each entry, the same ones once. */
function said(entries: readonly ProfileEntry[]): readonly string[] {
  const lines = entries.map(({ behaviour }) =>
    'peer' in behaviour ? `${behaviour.exe} ${behaviour.peer}:${behaviour.port}` : behaviour.exe,
  );
  return [...new Set(lines)].sort();
}

const browser = call('browser', 'internet', 443);

const callers: readonly (readonly [string, readonly ProfileEntry[], readonly string[]])[] = [
  ['nothing shows that it calls at large', [call('x', '8.8.8.8', 80)], ['x 8.8.8.8:80']],
  [
    'one site stays that site',
    [browser, call('browser', '8.8.8.8', 80)],
    ['browser 8.8.0.0/16:80', 'browser internet:443'],
  ],
  [
    'several sites are the internet',
    [browser, call('browser', '8.8.8.8', 80), call('browser', '9.9.9.9', 80)],
    ['browser internet:443', 'browser internet:80'],
  ],
  ['the neighbours stay', [browser, call('browser', '10.0.0.1', 80)], ['browser 10.0.0.1:80', 'browser internet:443']],
  [
    'so do ports of administration',
    [browser, call('browser', '8.8.8.8', 22)],
    ['browser 8.8.8.8:22', 'browser internet:443'],
  ],
  ['so do other programs', [browser, call('x', '8.8.8.8', 80)], ['browser internet:443', 'x 8.8.8.8:80']],
  ['so do callers', [browser, reached('browser', '8.8.8.8', 80)], ['browser 8.8.8.8:80', 'browser internet:443']],
];

test('open callers', () => {
  for (const [what, entries, expected] of callers) assert.deepEqual(said(widenOpenCallers(entries)), expected, what);
});

/** One call on each day. */
function daily(exe: string, peers: readonly string[]): readonly ProfileEntry[] {
  return peers.map((peer, day) => {
    const at = `2026-11-${String(day + 1).padStart(2, '0')}T00:00:00.000Z`;
    return { ...call(exe, peer, 443), firstAt: at, lastAt: at };
  });
}

test('lists that never close give way to the narrowest ones that do', () => {
  assert.deepEqual(said(widenOpenCallers(daily('x', ['8.8.8.8', '9.9.9.9', '1.1.1.1']))), ['x internet:443']);
  // One site with ever new addresses, and one whose address comes again.
  assert.deepEqual(said(widenOpenCallers(daily('x', ['8.8.8.8', '8.8.1.1', '8.8.4.4']))), ['x 8.8.0.0/16:443']);
  const [first, ...others] = daily('x', ['8.8.8.8', '9.9.9.9', '1.1.1.1']);
  const again = [{ ...first, lastAt: '2026-11-20T00:00:00.000Z' } as ProfileEntry, ...others];
  assert.deepEqual(widenOpenCallers(again), again);
  // Two occasions, however many addresses; neighbours; a program that is told whom to call.
  const once = ['8.8.8.8', '9.9.9.9', '1.1.1.1'].map((peer) => call('x', peer, 443));
  for (const same of [
    once,
    daily('x', ['10.0.0.1', '10.1.0.1', '10.2.0.1']),
    daily('/usr/bin/python3', ['8.8.8.8', '9.9.9.9', '1.1.1.1']),
  ])
    assert.deepEqual(widenOpenCallers(same), same);
});

const lsass = 'c:\\windows\\system32\\lsass.exe';

test('ports that an endpoint mapper tells become one', () => {
  const asked = [call('x', '10.0.0.1', 135), call('x', '10.0.0.1', 49_668), call('x', '10.0.0.2', 49_668)];
  assert.deepEqual(said(widenRemoteProcedures(asked)), [
    'x 10.0.0.1:135',
    'x 10.0.0.1:49152-65535',
    'x 10.0.0.2:49668',
  ]);
  const other = [call('x', '10.0.0.1', 135), call('y', '10.0.0.1', 49_668), call('x', '10.0.0.1', 8080)];
  assert.deepEqual(widenRemoteProcedures(other), other);
  const served = [reached('x', '10.0.0.1', 135), reached('y', '10.0.0.1', 49_668)];
  assert.deepEqual(said(widenRemoteProcedures(served)), ['x 10.0.0.1:135', 'y 10.0.0.1:49152-65535']);
});

test('a domain is known by its authority, and implies no port of administration', () => {
  const implied = (entries: readonly ProfileEntry[]): readonly string[] =>
    directoryServices(entries).map(({ behaviour }) =>
      'peer' in behaviour ? `${behaviour.kind} ${behaviour.peer} ${behaviour.port}` : '',
    );
  assert.ok(implied([call(lsass, '10.0.0.1', 88)]).includes('outbound 10.0.0.1 389'));
  assert.ok(implied([reached(lsass, '10.0.7.1', 389)]).includes('inbound 10.0.0.0/16 53'));
  for (const port of [22, 445, 3389, 5985])
    assert.ok(
      !implied([call(lsass, '10.0.0.1', 88), reached(lsass, '10.0.0.1', 88)]).some((each) => each.endsWith(` ${port}`)),
    );
  assert.deepEqual(
    implied([call('c:\\x.exe', '10.0.0.1', 88), call(lsass, '8.8.8.8', 88), call(lsass, '10.0.0.1', 445)]),
    [],
  );
  assert.deepEqual(implied([reached(lsass, '10.0.0.1', 49_668)]), []);
});

test('components of Windows that call at large are known where Windows is', () => {
  assert.deepEqual(windowsCallers([call('/usr/bin/x', '10.0.0.1', 1)]), []);
  const peers = windowsCallers([call(lsass, '10.0.0.1', 88)]).map(
    ({ behaviour }) => 'peer' in behaviour && behaviour.peer,
  );
  assert.deepEqual(new Set(peers), new Set(['internet', '224.0.0.0/4', 'ff00::/8']));
});

function many(count: number, make: (at: number) => ProfileEntry): readonly ProfileEntry[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

test('ports that are drawn become their range, a few stay', () => {
  const few = many(drawnPortsMin.outbound - 1, (at) => call('x', '10.0.0.1', 40_000 + at));
  assert.deepEqual(widenDrawnPorts(few), few);
  const calls = (from: number): readonly string[] =>
    said(widenDrawnPorts(many(drawnPortsMin.outbound, (at) => call('x', '10.0.0.1', from + at))));
  assert.deepEqual(calls(40_000), ['x 10.0.0.1:ephemeral']);
  assert.deepEqual(calls(62_000), ['x 10.0.0.1:32768-65535']);
  assert.deepEqual(calls(2000), ['x 10.0.0.1:1024-65535']);
  // A scan of well-known ports is not what a system draws.
  assert.equal(calls(20).length, drawnPortsMin.outbound);
  const peers = many(drawnPortsMin.outbound, (at) => call('x', `10.0.0.${at}`, 40_000 + at));
  assert.deepEqual(widenDrawnPorts(peers), peers);
  const server = many(drawnPortsMin.inbound, (at) => reached('x', `10.0.0.${at}`, 49_664 + at));
  assert.equal(said(widenDrawnPorts(server))[0], 'x 10.0.0.0:ephemeral');
  const fixed = many(drawnPortsMin.inbound, (at) => reached('x', '10.0.0.1', 8080 + at));
  assert.deepEqual(widenDrawnPorts(fixed), fixed);
});

test('nothing that was learned is lost', () => {
  const peer = fc.constantFrom('internet', '8.8.8.8', '8.8.4.4', '9.9.9.0/24', '10.0.0.1', '2001:db8::1', 'loopback');
  const connection = fc
    .tuple(fc.constantFrom('x', 'y'), peer, fc.constantFrom(22, 80, 443, 40_000, 62_000, 1500), fc.boolean())
    .map(([exe, to, port, isCall]) => (isCall ? call(exe, to, port) : reached(exe, to, port)));
  fc.assert(
    fc.property(fc.array(connection, { maxLength: 40 }), (entries) => {
      const wide = widenDrawnPorts(widenOpenCallers(entries)).map(({ behaviour }) => parseBehaviour(behaviour));
      for (const { behaviour } of entries) {
        const narrow = parseBehaviour(behaviour);
        assert.ok(narrow.ok && wide.some((each) => each.ok && subsumes(each.value, narrow.value)));
      }
    }),
    { numRuns: 100 },
  );
});
