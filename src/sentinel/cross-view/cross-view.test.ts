// Flows outside against sockets inside: what is certain is told once, and what has an innocent explanation is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { SocketState, SocketView } from '../../introspection/guest/guest-view.ts';
import { Flow, type FlowEnds } from '../../sensors/flows/flow.ts';
import { CrossView } from './cross-view.ts';
import type { GuestNetwork, HiddenFlow } from './hidden-flow.ts';

const epoch = 1_700_000_000_000;
const syn = 2;
const ack = 16;
const rst = 4;
const own: GuestNetwork = { claimed: new Set(['10.0.0.2']), forwards: false };
const served: FlowEnds = {
  proto: 'tcp',
  localAddr: '10.0.0.2',
  localPort: 8080,
  remoteAddr: '10.0.0.9',
  remotePort: 50_000,
};
const called: FlowEnds = {
  proto: 'tcp',
  localAddr: '10.0.0.2',
  localPort: 40_000,
  remoteAddr: '10.0.0.9',
  remotePort: 443,
};

function packet(flow: Flow, way: 'sent' | 'received', atMs: number, flags = ack): void {
  const startMs = epoch + atMs;
  const tcp = { flags, sequence: 1, acknowledged: 2 };
  flow.see({ by: 'tap', way, startMs, endMs: startMs, packets: 1, bytes: 60, tcp });
}

let lastId = 0;

/** Opened at 0 and talking every `gapMs` from then on, until `untilMs`. */
function talk(ends: FlowEnds, untilMs: number, gapMs = 100): Flow {
  lastId += 1;
  const first = { by: 'tap', way: 'received', startMs: epoch, endMs: epoch, packets: 0, bytes: 0, tcp: null } as const;
  const flow = new Flow(lastId, 'a', ends, first);
  const inbound = ends.localPort < 32_768;
  packet(flow, inbound ? 'received' : 'sent', 0, syn);
  packet(flow, inbound ? 'sent' : 'received', 1, syn | ack);
  for (let atMs = gapMs; atMs <= untilMs; atMs += gapMs) packet(flow, 'sent', atMs);
  return flow;
}

function socket(ends: FlowEnds, state: SocketState = 'ESTABLISHED', netNamespace = 1): SocketView {
  const { localAddr, localPort, remoteAddr, remotePort } = ends;
  return {
    protocol: 'tcp',
    family: 4,
    state,
    localAddress: localAddr,
    localPort,
    remoteAddress: state === 'LISTEN' ? '0.0.0.0' : remoteAddr,
    remotePort: state === 'LISTEN' ? 0 : remotePort,
    netNamespace,
    holders: [],
  };
}

interface Story {
  readonly flows: readonly Flow[];
  readonly sockets: (atMs: number) => readonly SocketView[];
  readonly network?: GuestNetwork;
  readonly complete?: boolean;
  readonly unsettled?: boolean;
  readonly looksAtMs?: readonly number[];
}

const everyHalfSecond = [500, 1000, 1500, 2000, 2500, 3000, 3500, 4000];

function tell({
  flows,
  sockets,
  network = own,
  complete = true,
  unsettled = false,
  looksAtMs = everyHalfSecond,
}: Story): {
  readonly found: readonly HiddenFlow[];
  readonly view: CrossView;
} {
  const view = new CrossView('a');
  const found = looksAtMs.flatMap((atMs) => {
    const look = { takenMs: epoch + atMs, durationMs: 5, complete, unsettled, sockets: sockets(atMs) };
    return view.look(look, flows, network);
  });
  return { found, view };
}

const whats = (story: Story): readonly string[] => tell(story).found.map(({ what }) => what);
/** Something of the guest's own, so that its address is known and a look is not empty. */
const ssh: SocketView = socket({ ...served, localPort: 22, remotePort: 60_000 });

test('a connection that no look shows is told, once, with its ends', () => {
  const flow = talk(served, 4500);
  const { found } = tell({ flows: [flow], sockets: () => [ssh] });
  assert.deepEqual(
    found.map(({ vm, what, flow: { id, localPort } }) => [vm, what, id, localPort]),
    [['a', 'hidden-flow', flow.id, 8080]],
  );
  assert.match(found[0]?.detail ?? '', /10\.0\.0\.2 port 8080 and 10\.0\.0\.9 port 50000/);
  assert.ok(Date.parse(found[0]?.at ?? '') - epoch < 5000);
});

test('what has an innocent explanation is not told', () => {
  const inner: FlowEnds = { ...called, localAddr: '172.17.0.2', localPort: 33_333 };
  const cases: readonly (readonly [string, Story])[] = [
    ['a socket', { flows: [talk(served, 4500)], sockets: () => [socket(served)] }],
    [
      'an IPv4 connection on an IPv6 socket',
      {
        flows: [talk(served, 4500)],
        sockets: () => [socket({ ...served, localAddr: '::ffff:10.0.0.2', remoteAddr: '::ffff:10.0.0.9' })],
      },
    ],
    ['the rest of a closed one', { flows: [talk(served, 4500)], sockets: () => [socket(served, 'TIME_WAIT')] }],
    ['it ended before the looks', { flows: [talk(served, 900)], sockets: () => [ssh] }],
    [
      'it began after the looks',
      { flows: [talk(served, 4500)], sockets: () => [ssh], looksAtMs: [-3000, -2000, -1000, 0] },
    ],
    [
      'one look in two misses it',
      { flows: [talk(served, 4500)], sockets: (atMs) => (atMs % 1000 === 0 ? [socket(served)] : [ssh]) },
    ],
    ['looks that are not whole', { flows: [talk(served, 4500)], sockets: () => [ssh], complete: false }],
    [
      'a guest that passes on packets',
      { flows: [talk(served, 4500)], sockets: () => [ssh], network: { ...own, forwards: true } },
    ],
    [
      'an address that is not the VM’s',
      { flows: [talk({ ...served, localAddr: '10.5.5.5' }, 4500)], sockets: () => [ssh] },
    ],
    [
      'a container behind address translation',
      { flows: [talk(called, 4500)], sockets: () => [ssh, socket(inner, 'ESTABLISHED', 2)] },
    ],
    [
      'a connection redirected to another port',
      { flows: [talk(served, 4500)], sockets: () => [socket({ ...served, localPort: 15_006 })] },
    ],
  ];
  for (const [name, story] of cases) assert.deepEqual(whats(story), [], name);
});

test('a connection whose socket no listed process holds is told once that has lasted', () => {
  const unheld: SocketView = { ...socket(served), heldUnseen: true };
  const flows = [talk(served, 4500)];
  const { found } = tell({ flows, sockets: () => [unheld] });
  assert.deepEqual(
    found.map(({ what }) => what),
    ['hidden-flow'],
  );
  assert.match(found[0]?.detail ?? '', /none of the processes that the guest lists holds it/);
  const handedOver = (atMs: number): readonly SocketView[] => [atMs % 2000 === 0 ? socket(served) : unheld];
  assert.deepEqual(whats({ flows, sockets: handedOver }), []);
  assert.deepEqual(whats({ flows, sockets: () => [unheld], unsettled: true }), []);
  assert.deepEqual(whats({ flows, sockets: () => [unheld], looksAtMs: [500, 1000, 1500, 2000] }), []);
});

test('resets are no sign of life', () => {
  const flow = talk(served, 0);
  for (let atMs = 100; atMs < 4500; atMs += 100) packet(flow, 'sent', atMs, rst | ack);
  assert.deepEqual(whats({ flows: [flow], sockets: () => [ssh] }), []);
});

test('another connection of the guest to the same peer hides nothing', () => {
  const other = { ...called, localPort: 41_000 };
  assert.deepEqual(whats({ flows: [talk(called, 4500)], sockets: () => [socket(other)] }), ['hidden-flow']);
});

test('a listener that nobody sees is told when it has agreed twice, between close looks', () => {
  const knocks = [700, 1700].map((atMs, index) => {
    lastId += 1;
    const first = {
      by: 'tap',
      way: 'received',
      startMs: epoch + atMs,
      endMs: epoch + atMs,
      packets: 0,
      bytes: 0,
      tcp: null,
    } as const;
    const flow = new Flow(lastId, 'a', { ...served, remotePort: 50_000 + index }, first);
    packet(flow, 'received', atMs, syn);
    packet(flow, 'sent', atMs + 1, syn | ack);
    return flow;
  });
  assert.deepEqual(whats({ flows: knocks, sockets: () => [ssh] }), ['hidden-listener']);
  assert.deepEqual(whats({ flows: knocks.slice(0, 1), sockets: () => [ssh] }), []);
  const listening = socket(served, 'LISTEN');
  assert.deepEqual(whats({ flows: knocks, sockets: () => [ssh, listening] }), []);
  // A service that closes its listener for as long as it serves, or has just begun.
  assert.deepEqual(
    whats({ flows: knocks, sockets: (atMs) => (atMs === 500 || atMs === 1500 ? [listening] : [ssh]) }),
    [],
  );
  assert.deepEqual(
    whats({ flows: knocks, sockets: (atMs) => (atMs === 1000 || atMs === 2000 ? [socket(served)] : [ssh]) }),
    [],
  );
  assert.deepEqual(whats({ flows: knocks, sockets: () => [ssh], looksAtMs: [-4000, 5000, 9000] }), []);
});

test('a connection to a port where nobody was seen calls for a look, one to a known port does not', () => {
  const flow = talk(served, 100);
  const lookAt = (atMs: number, sockets: readonly SocketView[]): CrossView =>
    tell({ flows: [], sockets: () => sockets, looksAtMs: [atMs] }).view;
  assert.equal(new CrossView('a').callsForLook([flow]), true, 'nothing was looked at yet');
  assert.equal(lookAt(-500, [ssh]).callsForLook([flow]), true);
  assert.equal(lookAt(-500, [ssh, socket(served, 'LISTEN')]).callsForLook([flow]), false);
  assert.equal(lookAt(500, [ssh]).callsForLook([flow]), false, 'a look has answered it');
  assert.equal(lookAt(-500, [ssh]).callsForLook([talk(called, 100)]), false, 'the guest opened it itself');
});

test('what is told late is held against the looks of its time', () => {
  const view = new CrossView('a');
  const knocks: Flow[] = [];
  const found = everyHalfSecond.flatMap((atMs, index) => {
    // Two knocks, each told of two looks after it happened.
    if (atMs === 1500 || atMs === 3500) {
      const happenedMs = atMs - 900;
      lastId += 1;
      const startMs = epoch + happenedMs;
      const first = { by: 'tap', way: 'received', startMs, endMs: startMs, packets: 0, bytes: 0, tcp: null } as const;
      const flow = new Flow(lastId, 'a', { ...served, remotePort: 50_000 + index }, first);
      packet(flow, 'received', happenedMs, syn);
      packet(flow, 'sent', happenedMs + 1, syn | ack);
      knocks.push(flow);
    }
    const look = { takenMs: epoch + atMs, durationMs: 5, complete: true, unsettled: false, sockets: [ssh] };
    return view.look(look, knocks, own);
  });
  assert.deepEqual(
    found.map(({ what }) => what),
    ['hidden-listener'],
  );
});

test('what is not held against a VM is counted', () => {
  const story = { flows: [talk(served, 4500)], sockets: () => [ssh] };
  assert.equal(tell({ ...story, complete: false }).view.unjudged.incomplete, 8);
  assert.equal(tell({ ...story, network: { ...own, forwards: true } }).view.unjudged.forwarding, 8);
  assert.equal(
    tell({ ...story, network: { ...own, claimed: new Set() }, sockets: () => [] }).view.unjudged.foreignAddress,
    8,
  );
  const { view } = tell({ ...story, looksAtMs: [500, 1000] });
  assert.equal(view.suspects, 1);
  view.forget();
  assert.equal(view.suspects, 0);
});

test('connections that come and go with their sockets raise nothing, however looks fall', () => {
  const life = fc.record({ from: fc.nat(8000), lasts: fc.nat(4000), port: fc.integer({ min: 1024, max: 60_000 }) });
  fc.assert(
    fc.property(fc.array(life, { maxLength: 20 }), fc.array(fc.nat(12_000), { maxLength: 30 }), (lives, looks) => {
      const flows = lives.map(({ from, lasts, port }, index) => {
        const ends = { ...served, localPort: port, remotePort: 50_000 + index };
        lastId += 1;
        const first = {
          by: 'tap',
          way: 'received',
          startMs: epoch + from,
          endMs: epoch + from,
          packets: 0,
          bytes: 0,
          tcp: null,
        } as const;
        const flow = new Flow(lastId, 'a', ends, first);
        packet(flow, 'received', from, syn);
        for (let atMs = from; atMs <= from + lasts; atMs += 50)
          packet(flow, 'sent', atMs, atMs === from ? syn | ack : ack);
        return { flow, from, until: from + lasts };
      });
      const sockets = (atMs: number): readonly SocketView[] =>
        flows.flatMap(({ flow, from, until }) => [
          ...(atMs >= from && atMs <= until ? [socket(flow.ends)] : []),
          ...(atMs >= from - 10 && atMs <= from + 10 ? [socket(flow.ends, 'LISTEN')] : []),
        ]);
      const looksAtMs = looks.toSorted((one, other) => one - other);
      const services = (atMs: number): readonly SocketView[] => [
        ...sockets(atMs),
        ...flows.map(({ flow }) => socket(flow.ends, 'LISTEN')),
      ];
      assert.deepEqual(whats({ flows: flows.map(({ flow }) => flow), sockets: services, looksAtMs }), []);
    }),
    { numRuns: 200 },
  );
});
