// Which listeners and connections successive sweeps report, and with whom.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SocketState, SocketView } from '../../introspection/guest/guest-view.ts';
import { SimulatedGuest } from '../../sim/simulated-guest.ts';
import { programOf } from './program.ts';
import { SocketDiffer } from './socket-differ.ts';

const host = '00000000-0000-4000-8000-000000000001';

function socket(pid: number | null, state: SocketState, fields: Partial<SocketView> = {}): SocketView {
  return {
    protocol: 'tcp',
    family: 4,
    state,
    localAddress: '10.0.0.1',
    localPort: 40_000,
    remoteAddress: '10.0.0.9',
    remotePort: 443,
    netNamespace: 1,
    holders: pid === null ? [] : [{ pid, fd: 3 }],
    ...fields,
  };
}

function listener(pid: number, localPort = 80, fields: Partial<SocketView> = {}): SocketView {
  return socket(pid, 'LISTEN', {
    localAddress: '0.0.0.0',
    localPort,
    remoteAddress: '0.0.0.0',
    remotePort: 0,
    ...fields,
  });
}

/** What a sequence of sweeps with these sockets reports, beside one server (pid 2) and its child (pid 3). */
function reported(...sweeps: readonly (readonly SocketView[])[]): string[] {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const guest = new SimulatedGuest('web', host, 100, () => nowMs);
  const server = guest.spawn({ exe: '/bin/server', argv: ['server'] });
  guest.spawn({ exe: '/bin/child', argv: ['child'] }, server);
  const differ = new SocketDiffer({ host, tableMax: 100 });
  return sweeps.flatMap((sockets) => {
    nowMs += 100;
    const sweep = { ...guest.sweep(), sockets };
    const programs = new Map(sweep.tasks.map((task) => [task.pid, programOf(task)]));
    const { events } = differ.next(sweep, (pid) => programs.get(pid));
    return events.map((event) => `${event.kind} ${event.exe ?? '?'} ${event.localPort}>${event.remotePort ?? '-'}`);
  });
}

const udp = { protocol: 'udp' } as const;
const table: readonly (readonly [string, readonly (readonly SocketView[])[], readonly string[]])[] = [
  ['a listener', [[listener(2)], [listener(2)]], ['net_listen /bin/server 80>-']],
  ['a connection out', [[socket(2, 'ESTABLISHED')]], ['net_connect /bin/server 40000>443']],
  [
    'an attempt to connect',
    [[socket(2, 'SYN_SENT')], [socket(2, 'ESTABLISHED')]],
    ['net_connect /bin/server 40000>443'],
  ],
  [
    'a connection in, by the port the guest listens on',
    [[listener(2), socket(2, 'ESTABLISHED', { localPort: 80, remotePort: 51_000 })]],
    ['net_listen /bin/server 80>-', 'net_accept /bin/server 80>51000'],
  ],
  [
    'a connection in to a listener of the other family',
    [
      [
        listener(2, 80, { family: 6, localAddress: '::' }),
        socket(2, 'ESTABLISHED', { localPort: 80, remotePort: 51_000 }),
      ],
    ],
    ['net_listen /bin/server 80>-', 'net_accept /bin/server 80>51000'],
  ],
  [
    'a connection in whose listener has gone',
    [[listener(2)], [socket(2, 'ESTABLISHED', { localPort: 80, remotePort: 51_000 })]],
    ['net_listen /bin/server 80>-', 'net_accept /bin/server 80>51000'],
  ],
  [
    'the same port in another network namespace listens for nobody here',
    [[listener(2, 40_000, { netNamespace: 2 }), socket(2, 'ESTABLISHED')]],
    ['net_listen /bin/server 40000>-', 'net_connect /bin/server 40000>443'],
  ],
  [
    'TIME_WAIT of a connection seen before',
    [[socket(2, 'ESTABLISHED')], [socket(null, 'TIME_WAIT')]],
    ['net_connect /bin/server 40000>443'],
  ],
  [
    'TIME_WAIT of one never seen',
    [[socket(null, 'TIME_WAIT')], [socket(null, 'TIME_WAIT')]],
    ['net_connect ? 40000>443'],
  ],
  [
    'a connection not accepted yet gets its owner',
    [
      [listener(2), socket(null, 'ESTABLISHED', { localPort: 80 })],
      [listener(2), socket(2, 'ESTABLISHED', { localPort: 80 })],
    ],
    ['net_listen /bin/server 80>-', 'net_accept /bin/server 80>443'],
  ],
  [
    'a half-open request',
    [[listener(2), socket(null, 'NEW_SYN_RECV', { localPort: 80 })]],
    ['net_listen /bin/server 80>-'],
  ],
  [
    'a child that inherits a connection is no second owner',
    [
      [socket(2, 'ESTABLISHED')],
      [
        socket(2, 'ESTABLISHED', {
          holders: [
            { pid: 3, fd: 3 },
            { pid: 2, fd: 3 },
          ],
        }),
      ],
    ],
    ['net_connect /bin/server 40000>443'],
  ],
  [
    'nor is one to which it was left by the way',
    [[socket(2, 'ESTABLISHED')], [socket(3, 'ESTABLISHED')]],
    ['net_connect /bin/server 40000>443'],
  ],
  [
    'a child that has it as its input is',
    [[socket(2, 'ESTABLISHED')], [socket(3, 'ESTABLISHED', { holders: [{ pid: 3, fd: 0 }] })]],
    ['net_connect /bin/server 40000>443', 'net_connect /bin/child 40000>443'],
  ],
  [
    'a process that is nobody’s child and has it by itself is',
    [[socket(3, 'ESTABLISHED')], [socket(2, 'ESTABLISHED')]],
    ['net_connect /bin/child 40000>443', 'net_connect /bin/server 40000>443'],
  ],
  [
    'a child that was handed what its parent accepted is',
    [
      [listener(2), socket(2, 'ESTABLISHED', { localPort: 80, remotePort: 51_000 })],
      [listener(2), socket(3, 'ESTABLISHED', { localPort: 80, remotePort: 51_000 })],
    ],
    ['net_listen /bin/server 80>-', 'net_accept /bin/server 80>51000', 'net_accept /bin/child 80>51000'],
  ],
  [
    'of several holders the oldest',
    [
      [
        socket(2, 'ESTABLISHED', {
          holders: [
            { pid: 3, fd: 3 },
            { pid: 2, fd: 3 },
          ],
        }),
      ],
    ],
    ['net_connect /bin/server 40000>443'],
  ],
  [
    'an unconnected UDP socket on a service port',
    [[listener(2, 53, { ...udp, state: 'CLOSE' })]],
    ['net_listen /bin/server 53>-'],
  ],
  ['an unconnected UDP socket on an ephemeral port', [[listener(2, 50_000, { ...udp, state: 'CLOSE' })]], []],
  [
    'a connected UDP socket that waits for an answer',
    [[socket(2, 'ESTABLISHED', { ...udp, remotePort: 53 })], [socket(2, 'ESTABLISHED', { ...udp, remotePort: 53 })]],
    ['net_connect /bin/server 40000>53'],
  ],
  [
    'a connected UDP socket that is gone at the next look',
    [[socket(2, 'ESTABLISHED', { ...udp, remotePort: 53 })], []],
    [],
  ],
  ['a TCP socket that is neither bound nor connected', [[socket(2, 'CLOSE', { localPort: 0, remotePort: 0 })]], []],
  [
    'a listener that comes back with another program',
    [[listener(2)], [listener(3)]],
    ['net_listen /bin/server 80>-', 'net_listen /bin/child 80>-'],
  ],
];
for (const [what, sweeps, expected] of table) test(what, () => assert.deepEqual(reported(...sweeps), expected));
