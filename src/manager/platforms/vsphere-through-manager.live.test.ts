// A whole manager against a vCenter simulator, by the configuration a person writes: its VMs are listed, one is quarantined at a
// person's word, which an independent session reads at the vCenter, the manager stops in the middle, and undoing restores it. It
// reads and holds so rarely here that all it knows of another hand it was told by the vCenter.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertConduct } from '../../../lab/platform-conduct.ts';
import { quickPace } from '../../../lab/platform-trial.ts';
import { endOtherSessions, startVcenter, type Vcenter } from '../../../lab/vcenter.ts';
import { connect, type Client } from '../../client/connect.ts';
import { cardChange, readCards } from '../../connectors/enforcement/vsphere/network-cards.ts';
import { vspherePlatform } from '../../connectors/enforcement/vsphere/vsphere-platform.ts';
import { readProperties, runTask } from '../../protocols/vsphere/properties.ts';
import { type VimClient, vimClient } from '../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../protocols/vsphere/vim-message.ts';
import { xml } from '../../protocols/xml/xml-text.ts';
import { readConfiguration } from '../configuration.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const wait = async (ms: number): Promise<void> => await sleep(ms);
const rarely = { ...quickPace, readMs: 600_000, holdMs: 600_000 };
/** Two seconds, and one for a machine that is busy with other tests. */
const knownMsMax = 3000;

suite('a manager with a vCenter', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-vcenter-'));
  let vcenter: Vcenter;
  let observer: VimClient;
  let trial: Trial;
  let client: Client;

  before(async () => {
    vcenter = await startVcenter();
    const { url, user, password, fingerprint } = vcenter;
    observer = must(vimClient({ url, user, password, fingerprint, clock, timeoutMs: 10_000, bodyBytesMax: 8_000_000 }));
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    const written = `platforms:
  - { name: vc, kind: vsphere, url: '${url}', user: ${user}, passwordFile: ${passwordFile}, certificateSha256: '${fingerprint}' }
`;
    const configuration = must(readConfiguration(written, 'plumbline.yaml'));
    trial = await startTrial(configuration, { platformPace: rarely });
    client = connect({ ...trial.manager, by: 'ann' });
    await until('its VMs are listed', async () => must(await client.listVms()).length === 4);
    await isFollowed();
  });

  after(async () => {
    await trial.end();
    await observer.close();
    await vcenter.stop();
    rmSync(directory, { recursive: true });
  });

  const objectOf = async (name: string): Promise<ManagedObject> => {
    const sight = must(await client.listPlatformVms({ platform: 'vc' })).find((vm) => vm.name === name);
    return { type: 'VirtualMachine', id: sight?.id ?? assert.fail(`no VM ${name}`) };
  };
  const cardsOf = async (name: string) => {
    const read = must(await readProperties(observer, await objectOf(name), ['config.hardware.device']));
    return readCards(read.values.get('config.hardware.device'));
  };
  const isUp = async (name: string) => (await cardsOf(name)).map(({ isConnected }) => isConnected);
  const isFollowed = async () =>
    await until('it is followed', async () => must(await client.listPlatforms())[0]?.changes.state === 'followed');
  const stateOf = async (name: string) => must(await client.listVms()).find((vm) => vm.name === name)?.state;
  const patience = { deadlineMs: 10_000, sleep: wait, monotonic: clock.monotonic };
  const powerOf = async (name: string) =>
    must(await readProperties(observer, await objectOf(name), ['runtime.powerState'])).values.get('runtime.powerState')
      ?.text;

  /** As somebody would who does not know of the quarantine. */
  async function connectByHand(name: string): Promise<void> {
    const up = { connected: true, startConnected: true, allowGuestControl: true };
    const changes = (await cardsOf(name)).map((card) => cardChange(card, up));
    const spec = [xml('spec', changes)];
    must(await runTask(observer, 'ReconfigVM_Task', await objectOf(name), spec, patience));
  }

  async function inTime(what: string, holds: () => Promise<boolean>): Promise<void> {
    const beganMs = performance.now();
    await until(what, holds);
    const tookMs = performance.now() - beganMs;
    assert.ok(tookMs < knownMsMax, `${what} after ${tookMs} ms`);
  }

  async function undone(plan: string): Promise<void> {
    must(await client.undo({ answer: plan }));
    await until('it is undone', async () => must(await client.getPlan({ plan })).state === 'undone');
  }

  test('its conduct is what the simulated platform is held to', async () => {
    const platform = must(vspherePlatform({ ...vcenter, clock, sleep: wait }));
    const vm = must(await platform.listVms()).vms[3];
    assert.ok(vm !== undefined);
    await assertConduct({ platform, vm, connectByHand: async ({ name }) => await connectByHand(name) });
    await platform.close();
  });

  test('quarantined at a person’s word, seen by another session, held against a hand, and restored by undoing', async () => {
    const [vm, other] = must(await client.listVms());
    assert.ok(vm !== undefined && other !== undefined);
    const { name } = vm;
    assert.deepEqual([vm.state, vm.hypervisor, vm.platform], ['running', 'vsphere', 'vc']);
    await connectByHand(name);
    const untouched = JSON.stringify((await cardsOf(other.name)).map(({ device }) => device));
    const [foreseen] = must(await client.previewAct({ vm: name, action: 'quarantine' })).proposals;
    assert.match(foreseen?.decisions[0]?.why ?? '', /by platform vc \(its network cards are disconnected/);
    assert.deepEqual(await isUp(name), [true]);

    const done = must(await client.actOnVm({ vm: name, action: 'quarantine', why: 'it beacons' }));
    assert.deepEqual([done.state, done.platform], ['done', 'vc'], done.evidence);
    assert.deepEqual(await isUp(name), [false]);

    await connectByHand(name);
    await inTime('it is put back', async () => (await isUp(name))[0] === false);
    await until('it is counted', async () => must(await client.listPlatforms())[0]?.measures.putBack === 1);

    await undone(done.plan ?? '');
    assert.deepEqual(await isUp(name), [true]);
    assert.equal(JSON.stringify((await cardsOf(other.name)).map(({ device }) => device)), untouched);
  });

  test('what another hand does is known in two seconds, and missed by no end of the session', async () => {
    const { name } = must(await client.listVms())[2] ?? assert.fail();
    const object = await objectOf(name);
    must(await runTask(observer, 'PowerOffVM_Task', object, [], patience));
    await inTime('it is off', async () => (await stateOf(name)) === 'off');
    must(await runTask(observer, 'Rename_Task', object, [xml('newName', 'renamed')], patience));
    await inTime('it is renamed', async () => (await stateOf('renamed')) === 'off');

    await endOtherSessions(observer);
    must(await runTask(observer, 'PowerOnVM_Task', object, [], patience));
    // The simulator still answers what was asked before; what comes next falls between two sessions.
    await until('it runs', async () => (await stateOf('renamed')) === 'running');
    must(await runTask(observer, 'Rename_Task', object, [xml('newName', name)], patience));
    await until('it has its name', async () => (await stateOf(name)) === 'running');
    await isFollowed();
  });

  test('a manager that stops while the vCenter works goes on with the same id and does it once', async () => {
    const { name } = must(await client.listVms())[1] ?? assert.fail();
    const asked = client.actOnVm({ vm: name, action: 'suspend' }).catch(() => null);
    await until('the step is begun', async () => {
      const [latest] = must(await client.listRemediations()).items;
      return latest?.step.action === 'suspend';
    });
    client = connect({ ...(await trial.restart()), by: 'ann' });
    await asked;
    const [begun] = must(await client.listRemediations()).items;
    const plan = begun?.plan ?? assert.fail();
    await until('it has ended', async () => must(await client.getPlan({ plan })).state === 'done');
    const suspends = must(await client.listRemediations()).items.filter(({ step }) => step.action === 'suspend');
    assert.deepEqual(
      suspends.map(({ id, state }) => [id, state]),
      [[begun?.id, 'done']],
    );
    assert.equal(await powerOf(name), 'suspended');
    await undone(plan);
    assert.equal(await powerOf(name), 'poweredOn');
  });

  test('a vCenter that ends is said to be away since then, and its VMs stay what they were', async () => {
    // The one that was resumed has to be read first.
    await until('all run', async () => must(await client.listVms()).every(({ state }) => state === 'running'));
    const before = must(await client.listVms()).map(({ name, state }) => `${name} ${state}`);
    await vcenter.stop();
    await until('it is away', async () => must(await client.status()).platforms[0]?.state === 'away');
    assert.deepEqual(
      must(await client.listVms()).map(({ name, state }) => `${name} ${state}`),
      before,
    );
    const refused = await client.actOnVm({ vm: before[0]?.split(' ')[0] ?? '', action: 'suspend' });
    assert.ok(!refused.ok && /does not answer since/.test(refused.error.message), JSON.stringify(refused));
  });
});
