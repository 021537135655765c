// Quarantine by an isolation network, against a vCenter simulator: cards are moved, held there and put back, on standard and on
// distributed port groups, and nothing is touched where that network cannot be named for certain.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '../../../../lab/platform-contract.ts';
import { startVcenter, type Vcenter } from '../../../../lab/vcenter.ts';
import type { Quarantine } from '../../../model/network-measure.ts';
import { listProperties, readProperties, runTask } from '../../../protocols/vsphere/properties.ts';
import { type VimClient, vimClient } from '../../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../../protocols/vsphere/vim-message.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import { type Platform, type PlatformVm, portOf } from '../platform.ts';
import { backingText, type CardBacking, readBacking } from './card-backing.ts';
import { cardChange, cardMove, cutOff, type NetworkCard, readCards } from './network-cards.ts';
import { vspherePlatform } from './vsphere-platform.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const wait = async (ms: number): Promise<void> => await sleep(ms);
const patience = { deadlineMs: 10_000, sleep: wait, monotonic: clock.monotonic };
const quarantine: Quarantine = { kind: 'quarantine', management: [] };
const distributedName = 'isolation <&> "net"';
/** The simulator lets two be called so. */
const ambiguousName = 'NSX-isolation';

suite('quarantine by an isolation network, against a vCenter simulator', () => {
  let vcenter: Vcenter;
  let client: VimClient;
  const opened: Platform[] = [];

  before(async () => {
    vcenter = await startVcenter();
    client = must(vimClient({ ...vcenter, clock, timeoutMs: 10_000, bodyBytesMax: 8_000_000 }));
    const [owner] = must(await listProperties(client, 'DistributedVirtualSwitch', ['uuid'])).objects;
    assert.ok(owner !== undefined);
    for (const name of [distributedName, ambiguousName, ambiguousName])
      must(await runTask(client, 'AddDVPortgroup_Task', owner.object, [xml('spec', [xml('name', name)])], patience));
  });
  after(async () => {
    for (const platform of opened) await platform.close();
    await client.close();
    await vcenter.stop();
  });

  function open(isolationNetwork: string | null): Platform {
    const platform = must(vspherePlatform({ ...vcenter, isolationNetwork, clock, sleep: wait }));
    opened.push(platform);
    return platform;
  }
  const objectOf = ({ id }: PlatformVm): ManagedObject => ({ type: 'VirtualMachine', id });
  async function vmAt(platform: Platform, index: number): Promise<PlatformVm> {
    return must(await platform.listVms()).vms[index] ?? assert.fail('no VM');
  }
  async function cardsOf(vm: PlatformVm): Promise<readonly NetworkCard[]> {
    const read = must(await readProperties(client, objectOf(vm), ['config.hardware.device']));
    return readCards(read.values.get('config.hardware.device'));
  }
  async function firstCard(vm: PlatformVm): Promise<NetworkCard> {
    return (await cardsOf(vm))[0] ?? assert.fail('no card');
  }
  const backingOf = async (vm: PlatformVm): Promise<CardBacking> =>
    readBacking((await firstCard(vm)).device) ?? assert.fail('on no network');
  async function reconfigure(vm: PlatformVm, change: XmlText): Promise<void> {
    must(await runTask(client, 'ReconfigVM_Task', objectOf(vm), [xml('spec', [change])], patience));
  }
  function orders(platform: Platform, vm: PlatformVm, card = vm.cards[0]) {
    assert.ok(card !== undefined);
    const port = portOf(vm, card);
    const network = platform.network(vm);
    return {
      apply: async (id = 'r-1') => await network.apply(port, id, quarantine),
      release: async (id = 'r-1') => await network.release(port, id),
      inForce: async () => must(await network.inForce(port)),
      quarantineAbility: async () =>
        (await network.capabilities(port)).find(({ measure }) => measure === 'quarantine') ?? assert.fail(),
    };
  }

  for (const [kind, name, index] of [
    ['distributed', distributedName, 0],
    ['standard', 'VM Network', 1],
  ] as const)
    test(`a card is moved to a ${kind} port group, held there, and put back by one that knows nothing`, async () => {
      const platform = open(name);
      const vm = await vmAt(platform, index);
      const from = await backingOf(vm);
      const connectionOf = async () => {
        const { isConnected, comesUp } = await firstCard(vm);
        return { isConnected, comesUp };
      };
      const connection = await connectionOf();
      const { apply, inForce } = orders(platform, vm);
      const applied = await apply();
      assert.ok(applied.state === 'done' && applied.changed, applied.evidence);
      const to = await backingOf(vm);
      assert.deepEqual([to.kind, await connectionOf()], [kind, connection]);
      assert.notDeepEqual(to, from);
      assert.match(applied.evidence, /is on the isolation network/);
      const again = await apply();
      assert.ok(again.state === 'done' && !again.changed, again.evidence);
      assert.equal((await apply('r-2')).state, 'failed');

      await reconfigure(vm, cardMove(await firstCard(vm), from));
      assert.match((await inForce())[0]?.missing ?? '', /^it is on port group/);
      const mended = await apply();
      assert.ok(mended.state === 'done' && mended.changed, mended.evidence);
      assert.deepEqual(await backingOf(vm), to);

      // Neither a store nor the configuration says any more where it came from.
      const stranger = orders(open(null), vm);
      const released = await stranger.release();
      assert.ok(released.state === 'done' && released.changed, released.evidence);
      assert.deepEqual([await backingOf(vm), await connectionOf()], [from, connection]);
      assert.deepEqual(await inForce(), []);
      assert.equal((await stranger.release()).changed, false);
    });

  for (const [what, name, why] of [
    ['absent', 'nowhere', /has no isolation network "nowhere"/],
    ['ambiguous', ambiguousName, /has 2 networks of the name/],
  ] as const)
    test(`a network that is ${what} is a reason that is told before, and nothing is touched`, async () => {
      const platform = open(name);
      const vm = await vmAt(platform, 2);
      const before = JSON.stringify(await cardsOf(vm));
      const { apply, quarantineAbility } = orders(platform, vm);
      const able = await quarantineAbility();
      assert.equal(able.available, false);
      assert.match(able.why ?? '', why);
      const refused = await apply();
      assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
      assert.match(refused.evidence, why);
      assert.equal(JSON.stringify(await cardsOf(vm)), before);
    });

  test('what is in force is held and released as it was put, whatever is configured by then', async () => {
    const vm = await vmAt(open(null), 2);
    const from = await backingOf(vm);
    const byLink = orders(open(null), vm);
    assert.equal((await byLink.apply()).state, 'done');
    const moving = orders(open(distributedName), vm);
    const held = await moving.apply();
    assert.ok(held.state === 'done' && !held.changed, held.evidence);
    assert.deepEqual([await backingOf(vm), (await firstCard(vm)).isConnected], [from, false]);
    assert.equal((await moving.release()).state, 'done');

    assert.equal((await moving.apply()).state, 'done');
    const elsewhere = orders(open('nowhere'), vm);
    const kept = await elsewhere.apply();
    assert.ok(kept.state === 'done' && !kept.changed, kept.evidence);
    assert.equal((await elsewhere.release()).state, 'done');
    assert.deepEqual(await backingOf(vm), from);
  });

  test('a card that was added later is moved by the same id, and each is put back where it came from', async () => {
    const platform = open(distributedName);
    const before = await vmAt(platform, 3);
    const from = await backingOf(before);
    assert.equal((await orders(platform, before).apply()).state, 'done');
    const device = xml('device', [xml('key', '-1'), backingText({ kind: 'standard', name: 'VM Network' })], {
      'xsi:type': 'VirtualE1000',
    });
    await reconfigure(before, xml('deviceChange', [xml('operation', 'add'), device]));
    const vm = await vmAt(platform, 3);
    const [, added] = vm.cards;
    assert.ok(added !== undefined, JSON.stringify(vm.cards));
    const { apply, release } = orders(platform, vm, added);
    const applied = await apply();
    assert.ok(applied.state === 'done' && applied.changed, applied.evidence);
    const kinds = async () =>
      (await cardsOf(vm)).map(({ device: card }) => readBacking(card)?.kind ?? 'none').toSorted();
    assert.deepEqual(await kinds(), ['distributed', 'distributed']);
    assert.equal((await release()).state, 'done');
    assert.equal((await orders(platform, vm).release()).state, 'done');
    assert.deepEqual(await kinds(), ['distributed', 'standard']);
    const first = (await cardsOf(vm)).find(({ id }) => id === before.cards[0]?.id);
    assert.ok(first !== undefined);
    assert.deepEqual(readBacking(first.device), from);
  });

  test('a card whose link its owner took down is moved as it is, and stays down when it is put back', async () => {
    const platform = open(distributedName);
    const vm = await vmAt(platform, 0);
    await reconfigure(vm, cardChange(await firstCard(vm), cutOff));
    const { apply, release } = orders(platform, vm);
    assert.equal((await apply()).state, 'done');
    assert.equal((await release()).state, 'done');
    assert.equal((await firstCard(vm)).isConnected, false);
  });
});
