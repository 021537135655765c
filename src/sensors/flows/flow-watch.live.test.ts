// Flows of real guests on a Linux bridge and on Open vSwitch, held against the kernel's own count of every packet.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openBridgedPair, trafficInGuest, type BridgedPair } from '../../../lab/bridged-pair.ts';
import { runCommand } from '../../../lab/commands.ts';
import { startFlowProbe } from '../../../lab/flow-probe.ts';
import type { Counted } from '../../../lab/packet-count.ts';
import { counted } from '../../../lab/scale.ts';
import type { Result } from '../../kit/result.ts';
import type { FlowLoss, FlowRecord } from './flow-record.ts';
import { FlowWatch } from './flow-watch.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const each = counted(100, 500);
const ports = { gateway: 7000, right: 7001 } as const;
const quiet = '</dev/null >/dev/null 2>&1 &';

function must<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

async function until(what: () => string, holds: () => boolean, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms: ${what()}`);
    await wait(50);
  }
}

function vmsOf(pair: BridgedPair): readonly { vm: string; pid: number }[] {
  return (['left', 'right'] as const).map((side) => ({ vm: side, pid: pair.guests[side].pid() ?? 0 }));
}

/** The server in the namespace and the one in the right guest, both on their ports. */
async function serve(pair: BridgedPair): Promise<void> {
  pair.start([pair.traffic, 'serve', String(ports.gateway)]);
  await pair.guests.right.run(`${trafficInGuest} serve ${ports.right} ${quiet}`);
  await wait(500);
}

/** From the left guest: to the gateway and to the right guest, each kind as often as `each` says. */
async function makeTraffic(pair: BridgedPair): Promise<void> {
  const { left } = pair.guests;
  const orders = [
    `tcp ${pair.addresses.gateway} ${ports.gateway} ${each} 1000`,
    `udp ${pair.addresses.gateway} ${ports.gateway} ${each} 700`,
    `tcp ${pair.addresses.right} ${ports.right} ${each} 40000`,
    `udp ${pair.addresses.right} ${ports.right} ${each} 300`,
  ];
  for (const order of orders) {
    const { out, code } = await left.run(`${trafficInGuest} ${order}`, 120_000);
    assert.equal(code, 0, out);
    assert.match(out, new RegExp(`good=${each}\\b`), order);
  }
}

const key = (proto: string, from: string, fromPort: number, to: string, toPort: number): string =>
  `${proto} ${from} ${fromPort} ${to} ${toPort}`;

/** Every counted pair of ends of that VM has one record, with its bytes; and no record is of anything else. */
function compare(records: readonly FlowRecord[], counts: ReadonlyMap<string, Counted>, pair: BridgedPair): void {
  for (const side of ['left', 'right'] as const) {
    const address = pair.addresses[side];
    const isTraffic = (port: number): boolean => port === ports.gateway || port === ports.right;
    const expected = new Set(
      [...counts.keys()]
        .map((text) => text.split(' '))
        .filter(([, , fromPort, , toPort]) => isTraffic(Number(fromPort)) || isTraffic(Number(toPort)))
        .flatMap(([proto = '', from = '', fromPort, to = '', toPort]) =>
          from === address ? [key(proto, from, Number(fromPort), to, Number(toPort))] : [],
        ),
    );
    const own = records.filter(
      ({ vm, localPort, remotePort }) => vm === side && (isTraffic(localPort) || isTraffic(remotePort)),
    );
    const ends = (it: FlowRecord): string => key(it.proto, it.localAddr, it.localPort, it.remoteAddr, it.remotePort);
    assert.deepEqual(own.map(ends).toSorted(), [...expected].toSorted(), `${side}: each once`);
    assert.ok(own.length >= (side === 'left' ? 4 : 2) * each, `${side}: ${own.length} records`);
    for (const record of own) {
      const out = counts.get(ends(record));
      const back = counts.get(
        key(record.proto, record.remoteAddr, record.remotePort, record.localAddr, record.localPort),
      );
      assert.equal(record.direction, side === 'left' ? 'outbound' : 'inbound', JSON.stringify(record));
      for (const [said, is] of [
        [record.bytesOut, out?.bytes ?? 0],
        [record.bytesIn, back?.bytes ?? 0],
      ] as const)
        assert.ok(Math.abs(said - is) <= 0.02 * is, `${said} bytes for ${is}: ${JSON.stringify(record)}`);
    }
  }
}

suite('flows on a Linux bridge', () => {
  let pair: BridgedPair;
  const ended: FlowRecord[] = [];
  const losses: FlowLoss[] = [];
  let watch: FlowWatch;

  before(async () => {
    pair = must(await openBridgedPair({ switch: 'bridge', prefix: `flows-${process.pid}-` }));
    await serve(pair);
  });
  after(async () => {
    await watch?.stop();
    await pair?.stop();
  });

  async function begin(bridges: 'tap' | 'conntrack'): Promise<void> {
    await watch?.stop();
    ended.length = 0;
    losses.length = 0;
    watch = new FlowWatch({
      vms: () => vmsOf(pair),
      clock,
      bridges,
      listener: {
        opened() {},
        ended: ({ record }) => ended.push(record),
        lost: (loss) => losses.push(loss),
      },
    });
    await watch.start();
    // A capture begins some moments after it was asked for.
    await wait(1500);
    assert.deepEqual(watch.health().problems, []);
  }

  const all = (): FlowRecord[] => [...ended, ...watch.open().map(({ record }) => record)];

  test('every connection and exchange once, with its ends and bytes, by the taps', async () => {
    await begin('tap');
    assert.deepEqual(
      watch.health().coverage.map(({ vm, device, by }) => [vm, device, by]),
      [
        ['left', 'plbleft', 'tap'],
        ['right', 'plbright', 'tap'],
      ],
    );
    const count = must(await pair.count());
    await makeTraffic(pair);
    const finished = (): FlowRecord[] => ended.filter(({ proto, vm }) => proto === 'tcp' && vm === 'left');
    await until(
      () => `${finished().length} ended: ${JSON.stringify(watch.health())}`,
      () => finished().length >= 2 * each,
    );
    compare(all(), must(await count.read()), pair);
    await count.stop();
    assert.deepEqual(losses, []);
    assert.ok(finished().every(({ end, by }) => end === 'closed' && by.join() === 'tap'));
  });

  test('a peer has the name it was looked up by', async () => {
    const { left } = pair.guests;
    await left.run(`nslookup ntp.lab ${pair.addresses.gateway}`);
    await left.run(`${trafficInGuest} tcp ${pair.addresses.gateway} ${ports.gateway} 1 10`);
    await until(
      () => JSON.stringify(all().at(-1)),
      () => all().some(({ proto, remoteName }) => proto === 'tcp' && remoteName === 'ntp.lab'),
    );
  });

  test('a guest that is gone has its flows ended', async () => {
    const talk = pair.start([pair.traffic, 'talk', pair.addresses.right, String(ports.right), '60', '100']);
    const talking = (): boolean =>
      watch
        .open('right')
        .some(({ record, evidence }) => record.remotePort > 0 && evidence.acceptedMs !== null && record.end === null);
    await until(() => 'the talk is seen', talking);
    talk.kill('SIGKILL');
    await until(
      () => JSON.stringify(watch.open('right')),
      () => !watch.open('right').some(({ record }) => record.proto === 'tcp'),
    );
  });

  test('the same by connection tracking, and what was set for it is taken back', async () => {
    const accounting = async (): Promise<string> =>
      must(await runCommand(pair.inside(['cat', '/proc/sys/net/netfilter/nf_conntrack_acct']))).trim();
    const rules = async (): Promise<string> => must(await runCommand(pair.inside(['nft', 'list', 'tables'])));
    const accountingBefore = await accounting();
    await begin('conntrack');
    assert.equal(await accounting(), '1');
    assert.match(await rules(), /plumbline_flows/);
    // Whose address is whose is learned from what the guests say on the wire.
    await pair.guests.left.run(
      `ping -c 1 ${pair.addresses.right}; ${trafficInGuest} tcp ${pair.addresses.right} ${ports.right} 1 10`,
    );
    const count = must(await pair.count());
    await makeTraffic(pair);
    const closed = (): number => ended.filter(({ proto }) => proto === 'tcp').length;
    const exchanged = (): FlowRecord[] =>
      all().filter(({ proto, localPort, remotePort }) => {
        const served: readonly number[] = [ports.gateway, ports.right];
        return proto === 'udp' && (served.includes(localPort) || served.includes(remotePort));
      });
    await until(
      () => `${closed()} closed, ${exchanged().length} exchanged: ${JSON.stringify(watch.health())}`,
      () => closed() >= 3 * each && exchanged().filter(({ bytesIn }) => bytesIn > 0).length >= 3 * each,
      60_000,
    );
    const counts = must(await count.read());
    const isNew = ({ proto, localAddr, localPort, remoteAddr, remotePort }: FlowRecord): boolean =>
      counts.has(key(proto, localAddr, localPort, remoteAddr, remotePort));
    compare(all().filter(isNew), counts, pair);
    await count.stop();
    await watch.stop();
    assert.equal(await accounting(), accountingBefore);
    assert.doesNotMatch(await rules(), /plumbline_flows/);
  });
});

suite('flows on Open vSwitch', () => {
  let pair: BridgedPair;

  before(async () => {
    pair = must(await openBridgedPair({ switch: 'ovs', prefix: `ovs-${process.pid}-` }));
    await serve(pair);
  });
  after(async () => pair?.stop());

  async function vsctl(...args: readonly string[]): Promise<string> {
    return must(await runCommand(['ovs-vsctl', `--db=unix:${pair.ovsDatabase}`, ...args])).trim();
  }

  test('every connection and exchange once, with its ends and bytes', async () => {
    const probe = await startFlowProbe(pair, vmsOf(pair));
    assert.deepEqual(
      probe.health()?.coverage.map(({ device, by }) => [device, by]),
      [
        ['plbleft', 'switch'],
        ['plbright', 'switch'],
      ],
    );
    const count = must(await pair.count());
    await makeTraffic(pair);
    await until(
      () => `${probe.ended.length} ended`,
      () => probe.ended.filter(({ proto }) => proto === 'tcp').length >= 3 * each,
      40_000,
    );
    await wait(2500);
    await probe.stop();
    compare(probe.ended, must(await count.read()), pair);
    await count.stop();
    assert.deepEqual(probe.losses, []);
    assert.ok(probe.ended.some(({ by }) => by.includes('ipfix') && by.includes('sflow')));
    assert.equal(await vsctl('list', 'IPFIX'), '', 'taken back');
    assert.equal(await vsctl('list', 'sFlow'), '', 'taken back');
  });

  test('what a killed run left is taken back by the next', async () => {
    const first = await startFlowProbe(pair, vmsOf(pair));
    await first.kill();
    const left = await vsctl('--columns=external_ids', 'list', 'IPFIX');
    assert.match(left, /plumbline/);
    const second = await startFlowProbe(pair, vmsOf(pair));
    const now = await vsctl('--columns=external_ids', 'list', 'IPFIX');
    assert.match(now, /plumbline/);
    assert.notEqual(now, left);
    await second.stop();
    assert.equal(await vsctl('list', 'IPFIX'), '');
  });

  test('somebody else’s export stays, and what it takes from us is read at the taps', async () => {
    await vsctl(
      '--',
      '--id=@s',
      'create',
      'sFlow',
      'targets="127.0.0.1:9"',
      'agent=lo',
      '--',
      'set',
      'Bridge',
      'plb0',
      'sflow=@s',
    );
    const probe = await startFlowProbe(pair, vmsOf(pair));
    assert.deepEqual(new Set(probe.health()?.coverage.map(({ by }) => by)), new Set(['switch and tap']));
    await wait(1500);
    await pair.guests.left.run(`${trafficInGuest} tcp ${pair.addresses.right} ${ports.right} 5 1000`);
    const talked = (): readonly FlowRecord[] =>
      probe.ended.filter(({ proto, bytesIn }) => proto === 'tcp' && bytesIn > 1000);
    await until(
      () => JSON.stringify(probe.ended.at(-1)),
      () => talked().length === 10,
    );
    assert.ok(talked().every(({ by, end }) => end === 'closed' && by.includes('ipfix') && by.includes('tap')));
    await probe.stop();
    assert.match(await vsctl('--columns=targets', 'list', 'sFlow'), /127\.0\.0\.1:9/);
    await vsctl('clear', 'Bridge', 'plb0', 'sflow');
  });
});
