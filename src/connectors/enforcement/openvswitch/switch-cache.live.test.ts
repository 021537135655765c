// Whatever Open vSwitch decided of a VM's packets before a measure, it decides anew once the measure is said to be in force.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { datagram } from '../../../../lab/frames.ts';
import {
  bridgeName,
  inspection,
  openSwitchedSegment,
  places,
  type SwitchedSegment,
} from '../../../../lab/switched-segment.ts';
import type { NetworkMeasure, VmPort } from '../../../model/network-measure.ts';
import { switchDaemonControl, switchDaemonPid } from '../../../protocols/ovsdb/switch-daemon.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import { openVswitchEnforcer } from './openvswitch-enforcer.ts';

const { vm, peer, management } = places;
const port: VmPort = {
  vm: '0f3f6a52-0000-4000-8000-000000000001',
  interface: vm.port,
  mac: vm.mac,
  addresses: [vm.address],
  bridge: bridgeName,
};
const measures: readonly NetworkMeasure[] = [
  { kind: 'quarantine', management: [management.address] },
  {
    kind: 'block-flow',
    peer: peer.address,
    proto: 'udp',
    port: 80,
    direction: 'outbound',
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
  },
  { kind: 'reroute', through: inspection.bridge },
];

suite('what Open vSwitch goes on doing', () => {
  let segment: SwitchedSegment;
  let enforcer: NetworkEnforcer;

  before(async () => {
    segment = await openSwitchedSegment('ovs');
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const patience = { clock, sleep: (ms: number) => wait(ms) };
    enforcer = openVswitchEnforcer({ database: segment.ovsDatabase ?? '', patience, capture: null });
  });
  after(() => segment?.stop());

  /** Decisions that the datapath keeps of what the VM sends. */
  async function kept(): Promise<number> {
    const database = segment.ovsDatabase ?? '';
    const control = switchDaemonControl(database, switchDaemonPid(database) ?? assert.fail(dirname(database)));
    const listing = await segment.run('ovs-appctl', '-t', control, 'dpctl/dump-flows', '--names', 'netdev@ovs-netdev');
    return listing.split('\n').filter((line) => line.includes(`in_port(${vm.port})`)).length;
  }

  async function untilKept(): Promise<void> {
    for (const deadline = performance.now() + 10_000; (await kept()) === 0;) {
      assert.ok(performance.now() < deadline, 'the switch keeps what it decided');
      await segment.send('vm', datagram({ from: vm, to: peer }, [4000, 80]), 8);
      await wait(20);
    }
  }

  for (const measure of measures)
    test(`is nothing of before, once ${measure.kind} is in force and once it is released`, async () => {
      await untilKept();
      const applied = await enforcer.apply(port, 'm1', measure);
      assert.equal(applied.state, 'done', applied.evidence);
      assert.equal(await kept(), 0);
      await untilKept();
      const released = await enforcer.release(port, 'm1');
      assert.equal(released.state, 'done', released.evidence);
      assert.equal(await kept(), 0);
    });

  test('a daemon that has ended is told, and nothing is called done', async () => {
    process.kill(switchDaemonPid(segment.ovsDatabase ?? '') ?? assert.fail(), 'SIGKILL');
    await wait(100);
    const applied = await enforcer.apply(port, 'm2', { kind: 'reroute', through: inspection.bridge });
    assert.notEqual(applied.state, 'done', applied.evidence);
    assert.match(applied.evidence, /ovs-vswitchd/);
  });
});
