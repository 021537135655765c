// A whole manager whose vCenter has an isolation network, by the configuration a person writes: what a quarantine will do is said
// before, the card is moved there, one that is added by hand follows, and undoing puts each back where it came from.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { quickPace } from '../../../lab/platform-trial.ts';
import { startVcenter, type Vcenter } from '../../../lab/vcenter.ts';
import { connect, type Client } from '../../client/connect.ts';
import { backingText, readBacking } from '../../connectors/enforcement/vsphere/card-backing.ts';
import { readCards } from '../../connectors/enforcement/vsphere/network-cards.ts';
import { listProperties, readProperties, runTask } from '../../protocols/vsphere/properties.ts';
import { type VimClient, vimClient } from '../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../protocols/vsphere/vim-message.ts';
import { xml, type XmlText } from '../../protocols/xml/xml-text.ts';
import { readConfiguration } from '../configuration.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = {
  deadlineMs: 10_000,
  sleep: async (ms: number) => await sleep(ms),
  monotonic: clock.monotonic,
};

suite('a manager with a vCenter that has an isolation network', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-isolation-'));
  let vcenter: Vcenter;
  let observer: VimClient;
  let trial: Trial;
  let client: Client;

  before(async () => {
    vcenter = await startVcenter();
    const { url, user, password, fingerprint } = vcenter;
    observer = must(vimClient({ ...vcenter, clock, timeoutMs: 10_000, bodyBytesMax: 8_000_000 }));
    const [owner] = must(await listProperties(observer, 'DistributedVirtualSwitch', ['uuid'])).objects;
    await run(owner?.object ?? assert.fail(), 'AddDVPortgroup_Task', xml('spec', [xml('name', 'dead end')]));
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    const written = `platforms:
  - { name: vc, kind: vsphere, url: '${url}', user: ${user}, passwordFile: ${passwordFile}, certificateSha256: '${fingerprint}', isolationNetwork: dead end }
`;
    const configuration = must(readConfiguration(written, 'plumbline.yaml'));
    const platformPace = { ...quickPace, readMs: 600_000, holdMs: 600_000 };
    trial = await startTrial(configuration, { platformPace });
    client = connect({ ...trial.manager, by: 'ann' });
    await until('it is followed', async () => must(await client.listPlatforms())[0]?.changes.state === 'followed');
  });
  after(async () => {
    await trial.end();
    await observer.close();
    await vcenter.stop();
    rmSync(directory, { recursive: true });
  });

  async function run(on: ManagedObject, method: string, arg: XmlText): Promise<void> {
    must(await runTask(observer, method, on, [arg], patience));
  }
  async function networksOf(vm: ManagedObject): Promise<readonly string[]> {
    const read = must(await readProperties(observer, vm, ['config.hardware.device']));
    const cards = readCards(read.values.get('config.hardware.device'));
    return cards.map(({ device }) => JSON.stringify(readBacking(device))).toSorted();
  }

  test('a card is moved there, one that is added follows, and undoing puts each back', async () => {
    const { name } = must(await client.listVms())[0] ?? assert.fail();
    const sight = must(await client.listPlatformVms({ platform: 'vc' })).find((vm) => vm.name === name);
    const vm = { type: 'VirtualMachine', id: sight?.id ?? assert.fail() };
    const before = await networksOf(vm);
    assert.equal(before.length, 1);
    const [foreseen] = must(await client.previewAct({ vm: name, action: 'quarantine' })).proposals;
    assert.match(foreseen?.decisions[0]?.why ?? '', /by platform vc \(its network cards are moved to the isolation/);

    const done = must(await client.actOnVm({ vm: name, action: 'quarantine', why: 'it beacons' }));
    assert.deepEqual([done.state, done.platform], ['done', 'vc'], done.evidence);
    const [isolated = assert.fail()] = await networksOf(vm);
    assert.ok(!before.includes(isolated));

    const standard = { kind: 'standard', name: 'VM Network' } as const;
    const device = xml('device', [xml('key', '-1'), backingText(standard)], { 'xsi:type': 'VirtualE1000' });
    const change = xml('deviceChange', [xml('operation', 'add'), device]);
    await run(vm, 'ReconfigVM_Task', xml('spec', [change]));
    await until('it was moved too', async () => {
      const networks = await networksOf(vm);
      return networks.length === 2 && networks.every((network) => network === isolated);
    });

    must(await client.undo({ answer: done.plan ?? '' }));
    await until('both are back', async () => {
      const networks = await networksOf(vm);
      return JSON.stringify(networks) === JSON.stringify([...before, JSON.stringify(standard)].toSorted());
    });
  });
});
