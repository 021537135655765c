// Remote platforms in the inventory: whose a VM is, what happens when a platform is away, loses its rights or is taken out, and that
// nothing is acted on that could be another.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { simulatedPlatforms } from '../../../lab/platform-trial.ts';
import { connect, type Client } from '../../client/connect.ts';
import { at, runningVm, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { SimulatedPlatform } from '../../sim/simulated-platform.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let west: SimulatedPlatform;
let east: SimulatedPlatform;
let both: ReturnType<typeof simulatedPlatforms>;

suite('remote platforms in the inventory', () => {
  beforeEach(() => {
    west = new SimulatedPlatform();
    east = new SimulatedPlatform();
    both = simulatedPlatforms(
      new Map([
        ['west', west],
        ['east', east],
      ]),
    );
  });
  afterEach(async () => {
    await trial.end();
    both.end();
  });

  async function begin(count = 1): Promise<void> {
    both.configuration.platforms.splice(count);
    trial = await startTrial(both.configuration, both.parts);
    client = connect({ ...trial.manager, by: 'ann' });
    await reads();
  }

  /** Until all that is there now has been read: a reading that began before has ended, and another after it. */
  async function reads(): Promise<void> {
    for (const _ of ['the one under way', 'the next', 'and that was taken']) {
      const before = must(await client.listPlatforms());
      await until('every platform was read', async () => {
        const now = must(await client.listPlatforms());
        return now.every((one, index) => one.state === 'reachable' && one.lastReadAt !== before[index]?.lastReadAt);
      });
    }
  }

  const shown = async () =>
    must(await client.listVms()).map(({ name, state, platform = null }) => `${name} ${state} ${platform ?? 'watched'}`);

  test('VMs that only a platform knows join the inventory, and it is said that nothing is watched there', async () => {
    west.add('vm-1', vmId(1), 'web1');
    west.add('vm-2', vmId(2), 'web2').power = 'off';
    west.add('vm-3', null, 'web3').power = 'suspended';
    await begin();
    assert.deepEqual(await shown(), ['web1 running west', 'web2 off west', 'web3 paused west']);
    const [web1, , web3] = must(await client.listVms());
    assert.match(web1?.why ?? '', /no sentinel sees it.*nothing inside it is watched/);
    assert.deepEqual(
      web1?.platforms?.map(({ id, host, addresses, tags, attributes, isWatched }) => ({
        id,
        host,
        addresses,
        tags,
        attributes,
        isWatched,
      })),
      [
        {
          id: 'vm-1',
          host: 'esx1',
          addresses: ['10.9.0.11'],
          tags: ['tier:web'],
          attributes: { owner: 'shop' },
          isWatched: false,
        },
      ],
    );
    assert.equal(web3?.id, 'name:west/vm-3');
    const status = must(await client.status());
    assert.deepEqual([status.vms.running, status.vms.off, status.platforms[0]?.vms], [1, 1, 3]);
    const [platform] = must(await client.listPlatforms());
    assert.deepEqual([platform?.state, platform?.abilitiesOf], ['reachable', 'web1']);
    assert.ok(platform?.abilities.some(({ action, available }) => action === 'quarantine' && available));
  });

  test('a VM that a sentinel sees stays the sentinel’s, and is the platform’s when the sentinel has lost it', async () => {
    west.add('vm-1', vmId(1), 'WEB1.example');
    await begin();
    const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
    must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'web1')] })));
    await reads();
    assert.deepEqual(await shown(), ['web1 running watched']);
    const [vm] = must(await client.listPlatformVms({ platform: 'west' }));
    assert.deepEqual([vm?.vm, vm?.isWatched], [vmId(1), true]);
    must(await trial.manager.end.deliver(sentinel.batch({ vms: [] })));
    await reads();
    assert.deepEqual(await shown(), ['WEB1.example running west']);
    must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'web1')] })));
    assert.deepEqual(await shown(), ['web1 running watched']);
  });

  test('a platform that is away, lists nothing any more or is cut off takes no VM away; one that lists the others does', async () => {
    west.add('vm-1', vmId(1), 'web1');
    west.add('vm-2', vmId(2), 'web2');
    await begin();
    const two = ['web1 running west', 'web2 running west'];
    west.isAway = true;
    await until('it is away', async () => must(await client.status()).platforms[0]?.state === 'away');
    assert.deepEqual(await shown(), two);
    const [away] = must(await client.status()).platforms;
    assert.match(away?.why ?? '', /did not answer/);
    assert.match(
      must(await client.getVm({ vm: 'web1' })).why ?? '',
      /does not answer since .*this is what it said before/,
    );
    await trial.restart();
    client = connect({ ...trial.manager, by: 'ann' });
    await until('it is away', async () => must(await client.status()).platforms[0]?.state === 'away');
    assert.deepEqual(await shown(), two);

    west.isAway = false;
    const second = west.vms.get('vm-2') ?? assert.fail();
    const first = west.vms.get('vm-1') ?? assert.fail();
    west.vms.clear();
    await reads();
    assert.deepEqual(await shown(), two);
    assert.match(must(await client.listPlatforms())[0]?.gaps[0] ?? '', /lists no VM any more, and listed 2 before/);
    west.vms.set('vm-1', first);
    west.isCut = true;
    await reads();
    assert.deepEqual(await shown(), two);
    west.isCut = false;
    await reads();
    assert.deepEqual(await shown(), ['web1 running west', 'web2 gone west']);
    west.vms.set('vm-2', second);
    await reads();
    assert.deepEqual(await shown(), two);
  });

  test('two VMs of one UUID are told apart, and neither is taken for the one a sentinel sees', async () => {
    west.add('vm-1', vmId(1), 'web1');
    west.add('vm-2', vmId(1), 'clone');
    await begin();
    const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
    must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'seen')] })));
    await reads();
    assert.deepEqual(
      must(await client.listVms()).map(({ name, id, platforms }) => [name, id, platforms?.length ?? 0]),
      [
        ['clone', 'name:west/vm-2', 1],
        ['seen', vmId(1), 0],
        ['web1', 'name:west/vm-1', 1],
      ],
    );
    assert.match(must(await client.listPlatforms())[0]?.gaps[0] ?? '', /2 VMs have the UUID/);
  });

  test('a UUID on two platforms that run VMs names neither; one that has a say over the network only is no rival', async () => {
    west.add('vm-1', vmId(1), 'web1');
    east.add('vm-9', vmId(1), 'web1');
    await begin(2);
    const doubtful = must(await client.previewAct({ vm: vmId(1), action: 'suspend' }));
    assert.equal(must(await client.listVms()).length, 1);
    const refused = await client.actOnVm({ vm: vmId(1), action: 'suspend' });
    assert.deepEqual([west.vms.get('vm-1')?.effects, east.vms.get('vm-9')?.effects], [[], []]);
    assert.ok(!refused.ok || refused.value.state !== 'done', JSON.stringify([doubtful, refused]));
    east.isNetworkOnly = true;
    await reads();
    assert.equal(must(await client.actOnVm({ vm: vmId(1), action: 'suspend' })).state, 'done');
    assert.deepEqual(west.vms.get('vm-1')?.effects, ['suspend']);
  });

  test('a platform that is taken out of the configuration takes its VMs with it', async () => {
    west.add('vm-1', vmId(1), 'web1');
    east.add('vm-9', vmId(1), 'twin');
    east.add('vm-8', vmId(8), 'other');
    await begin(2);
    both.configuration.platforms.splice(0, 1);
    await trial.restart();
    client = connect({ ...trial.manager, by: 'ann' });
    assert.deepEqual(await shown(), ['other running east', 'twin running east']);
    both.configuration.platforms.splice(0, 1);
    await trial.restart();
    client = connect({ ...trial.manager, by: 'ann' });
    assert.deepEqual(await shown(), ['other gone east', 'twin gone east']);
    assert.equal((await client.listPlatformVms({ platform: 'west' })).ok, false);
  });
});
