// NSX against a simulated manager: what is listed, and every measure by what then passes the firewall, not by what was configured.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import {
  blockOf,
  cardPort,
  foreignTag,
  must,
  type NsxTrial,
  otherId,
  quarantine,
  startNsxTrial,
  webId,
} from '../../../../lab/nsx-trial.ts';
import { filteredCard, passes, type SimulatedPacket } from '../../../sim/nsx/nsx-packets.ts';
import type { MeasureOutcome } from '../network-enforcer.ts';

const toPeer: SimulatedPacket = {
  direction: 'OUT',
  peer: '10.9.0.12',
  protocol: 'TCP',
  sourcePort: 40_000,
  destinationPort: 443,
};
const fromPeer: SimulatedPacket = {
  direction: 'IN',
  peer: '10.9.0.12',
  protocol: 'TCP',
  sourcePort: 443,
  destinationPort: 40_000,
};
const toManagement: SimulatedPacket = { ...toPeer, peer: '10.0.0.7' };
const fromManagement: SimulatedPacket = { ...fromPeer, peer: '10.0.1.5' };

suite('NSX, against a simulated manager', () => {
  let trial: NsxTrial;
  const sees = (packet: SimulatedPacket, vm = webId): boolean => passes(trial.nsx.world, vm, packet);

  beforeEach(async () => {
    trial = await startNsxTrial();
  });

  afterEach(async () => {
    await trial.stop();
  });

  test('VMs are listed with power, host, cards, networks, addresses and tags; appliances are left out', async () => {
    trial.nsx.world.addVm({ externalId: 'edge-1', type: 'EDGE' });
    const inventory = must(await trial.platform.listVms());
    assert.deepEqual([inventory.isCut, inventory.gaps, inventory.vms.length], [false, [], 2]);
    assert.deepEqual(inventory.vms[0], {
      id: webId,
      name: 'web "1" <&>',
      uuid: '420e72c9-55e7-a4f7-81bf-673a2af1a6cf',
      state: 'running',
      host: 'esx-1.example',
      addresses: ['10.9.0.11', '10.9.1.11'],
      tags: ['tier|web'],
      attributes: { instanceUuid: webId, guestSystem: 'Debian GNU/Linux 12 (64-bit)' },
      cards: [
        { id: '4000', mac: '00:50:56:8e:00:01', network: 'web', isConnected: true },
        { id: '4001', mac: '00:50:56:8e:00:02', network: 'web', isConnected: true },
      ],
    });
    assert.equal(trial.platform.enforcer(await trial.web()), null);
  });

  test('more VMs than a page holds are all listed, and a UUID that two of them have names neither', async () => {
    for (let index = 0; index < 1200; index += 1)
      trial.nsx.world.addVm({
        externalId: `vm-${index}`,
        biosUuid: `420e72c9-0000-4000-8000-${String(Math.max(index, 1)).padStart(12, '0')}`,
      });
    const { vms, gaps } = must(await trial.platform.listVms());
    assert.equal(new Set(vms.map(({ id }) => id)).size, 1202);
    const uuidOf = (id: string): string | null | undefined => vms.find((vm) => vm.id === id)?.uuid;
    assert.deepEqual([uuidOf('vm-0'), uuidOf('vm-1')], [null, null]);
    assert.equal(uuidOf('vm-2'), '420e72c9-0000-4000-8000-000000000002');
    assert.match(gaps.join(), /1 UUIDs belong to more than one VM/);
  });

  test('what can be done is said, and what cannot comes with the reason', async () => {
    const vm = await trial.web();
    const able = await trial.platform.network(vm).capabilities(cardPort(vm));
    const can = able.filter(({ available }) => available).map(({ measure }) => measure);
    assert.deepEqual(can, ['quarantine', 'block-flow']);
    assert.ok(able.every(({ available, why }) => available === (why === null)));
    const reroute = await trial.platform.network(vm).apply(cardPort(vm), 'r-1', { kind: 'reroute', through: 'br-x' });
    assert.ok(reroute.state === 'failed' && /none is configured/.test(reroute.evidence), reroute.evidence);
  });

  test('a quarantine drops all but management, once, for this VM alone, and is released', async () => {
    const vm = await trial.web();
    const [network, port] = [trial.platform.network(vm), cardPort(vm)];
    assert.ok(sees(toPeer) && sees(fromPeer));
    done(await network.apply(port, 'r-1', quarantine), true);
    assert.deepEqual([sees(toPeer), sees(fromPeer)], [false, false]);
    assert.deepEqual([sees(toManagement), sees(fromManagement)], [true, true]);
    assert.ok(sees(toPeer, otherId) && sees(fromPeer, otherId));
    const beyond: SimulatedPacket = { direction: 'OUT', peer: 'fd00::1', protocol: 'ICMPv6', icmpType: 135 };
    assert.equal(sees(beyond), false);
    done(await network.apply(port, 'r-1', quarantine), false);
    assert.deepEqual(
      must(await network.inForce(port)).map(({ id, kind, missing, endsInMs }) => [id, kind, missing, endsInMs]),
      [['r-1', 'quarantine', null, null]],
    );
    assert.equal((await network.apply(port, 'r-2', quarantine)).state, 'failed');

    done(await network.release(port, 'r-1'), true);
    assert.ok(sees(toPeer) && sees(fromPeer));
    assert.deepEqual(must(await network.inForce(port)), []);
    done(await network.release(port, 'r-1'), false);
    assertNothingLeft();
    // What is being taken away still is waited for.
    done(await network.apply(port, 'r-1', quarantine), true);
    assert.equal(sees(toPeer), false);
  });

  test('nothing of what the owner of the network forbids is opened by a quarantine', async () => {
    const everywhere = { source_groups: ['ANY'], destination_groups: ['ANY'], services: ['ANY'], scope: ['ANY'] };
    const rules = [{ id: 'none', action: 'DROP', ...everywhere }];
    trial.nsx.world.write('policies', 'owner', { category: 'Application', sequence_number: 5, rules });
    const vm = await trial.web();
    done(await trial.platform.network(vm).apply(cardPort(vm), 'r-1', quarantine), true);
    assert.equal(sees(toManagement), false);
  });

  test('with management on IPv6 its neighbours may be asked for, and nothing else may', async () => {
    const vm = await trial.web();
    const measure = { ...quarantine, management: ['fd00::/64'] };
    done(await trial.platform.network(vm).apply(cardPort(vm), 'r-1', measure), true);
    const icmp = (icmpType: number): SimulatedPacket => ({
      direction: 'OUT',
      peer: 'fe80::1',
      protocol: 'ICMPv6',
      icmpType,
    });
    assert.deepEqual(
      [135, 136, 134, 128].map((type) => sees(icmp(type))),
      [true, true, false, false],
    );
    assert.deepEqual(
      [sees({ ...toPeer, peer: 'fd00::5' }), sees({ ...toPeer, peer: 'fd01::5' }), sees(toPeer)],
      [true, false, false],
    );
  });

  test('nobody is left to talk to where there is no management', async () => {
    const vm = await trial.web();
    done(await trial.platform.network(vm).apply(cardPort(vm), 'r-1', { kind: 'quarantine', management: [] }), true);
    assert.deepEqual(
      [toPeer, fromPeer, toManagement, fromManagement].map((packet) => sees(packet)),
      Array(4).fill(false),
    );
  });

  const blocks: readonly (readonly [string, Parameters<typeof blockOf>[0], readonly boolean[]])[] = [
    ['one port', {}, [false, false, true, true]],
    ['a whole protocol', { port: null }, [false, false, false, true]],
    ['everything', { proto: 'any', port: null }, [false, false, false, false]],
    ['one port of both protocols', { proto: 'any' }, [false, false, true, false]],
    ['a network', { peer: '10.9.0.0/24' }, [false, false, true, true]],
    ['what the peer connects to', { direction: 'inbound' }, [true, true, true, true]],
    ['what the peer connects to, its port', { direction: 'inbound', port: 40_000 }, [false, false, false, true]],
  ];
  for (const [what, changed, expected] of blocks) {
    test(`a block drops ${what}, both ways, and no more`, async () => {
      const vm = await trial.web();
      const network = trial.platform.network(vm);
      done(await network.apply(cardPort(vm), 'r-1', blockOf(changed)), true);
      const otherPort: SimulatedPacket = { ...toPeer, destinationPort: 80 };
      const datagram: SimulatedPacket = { ...toPeer, protocol: 'UDP' };
      assert.deepEqual(
        [toPeer, fromPeer, otherPort, datagram].map((packet) => sees(packet)),
        expected,
      );
      assert.ok(sees({ ...toPeer, peer: '10.8.0.12' }) && sees(toPeer, otherId));
      done(await network.release(cardPort(vm), 'r-1'), true);
      assert.ok(sees(toPeer));
      assertNothingLeft();
    });
  }

  test('several measures are in force together, and each is released alone', async () => {
    const vm = await trial.web();
    const network = trial.platform.network(vm);
    done(await network.apply(cardPort(vm), 'b-1', blockOf({ peer: '10.0.0.7' })), true);
    done(await network.apply(cardPort(vm), 'q-1', quarantine), true);
    done(await network.apply(cardPort(vm, 1), 'q-1', quarantine), true);
    assert.equal(sees(toManagement), false);
    assert.equal(must(await network.inForce(cardPort(vm))).length, 2);
    done(await network.release(cardPort(vm), 'b-1'), true);
    assert.equal(sees(toManagement), true);
    done(await network.release(cardPort(vm), 'q-1'), true);
    // The other card's is still there, and holds for the whole VM.
    assert.equal(sees(toPeer), false);
    done(await network.release(cardPort(vm, 1), 'q-1'), true);
    assert.equal(sees(toPeer), true);
    assertNothingLeft();
  });

  test('a block with another end takes the place of the one before', async () => {
    const vm = await trial.web();
    const [network, port] = [trial.platform.network(vm), cardPort(vm)];
    done(await network.apply(port, 'b-1', blockOf()), true);
    done(await network.apply(port, 'b-1', blockOf({ port: 80 })), true);
    assert.deepEqual([sees(toPeer), sees({ ...toPeer, destinationPort: 80 })], [true, false]);
    assert.equal(must(await network.inForce(port)).length, 1);
  });

  test('a manager that has forgotten everything finds the quarantine, holds it, and puts the VM back', async () => {
    const vm = await trial.web();
    done(await trial.platform.network(vm).apply(cardPort(vm), 'r-1', quarantine), true);
    await trial.platform.close();
    const later = trial.anotherPlatform();
    const same = must(await later.listVms()).vms.find(({ id }) => id === webId);
    assert.ok(same !== undefined);
    const [found] = must(await later.network(same).inForce(cardPort(same)));
    assert.deepEqual([found?.id, found?.kind, found?.missing], ['r-1', 'quarantine', null]);
    done(await later.network(same).apply(cardPort(same), 'r-1', quarantine), false);
    done(await later.network(same).release(cardPort(same), 'r-1'), true);
    assert.ok(sees(toPeer));
    assertNothingLeft();
  });

  test('the quarantine holds when the VM is restarted, moved to another host, and gets another card', async () => {
    const vm = await trial.web();
    done(await trial.platform.network(vm).apply(cardPort(vm), 'r-1', quarantine), true);
    trial.nsx.world.vms.get(webId)?.cards.splice(0, 1, filteredCard('4000', '00:50:56:8e:00:09', '10.9.0.99'));
    assert.equal(sees(toPeer), false);
    const again = await trial.web();
    const [found] = must(await trial.platform.network(again).inForce(cardPort(again)));
    assert.equal(found?.missing, null);
    // It was ordered for a card of that name, and is released by it, whatever card that is by now.
    done(await trial.platform.network(again).release(cardPort(again), 'r-1'), true);
  });

  /** No policy, no group, no tag of ours; what others put there is untouched. */
  function assertNothingLeft(): void {
    const { world } = trial.nsx;
    world.settle();
    const left = [...world.policies.values(), ...world.groups.values()].filter(({ isGoing }) => !isGoing);
    assert.deepEqual(left, []);
    assert.deepEqual(world.vms.get(webId)?.tags, [foreignTag]);
  }
});

function done(outcome: MeasureOutcome, changed: boolean): void {
  assert.deepEqual([outcome.state, outcome.changed], ['done', changed], outcome.evidence);
}
