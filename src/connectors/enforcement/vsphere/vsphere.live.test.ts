// vSphere against govmomi's vCenter simulator: what every platform must keep, and its own: tags and attributes, the stream of
// changes, what a wrong login is called, answers without end.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { must, platformContract, type PlatformOnTrial } from '../../../../lab/platform-contract.ts';
import { endOtherSessions, otherSessions, startVcenter, type Vcenter } from '../../../../lab/vcenter.ts';
import { sayProblem } from '../../../kit/problem.ts';
import { readProperties, runTask } from '../../../protocols/vsphere/properties.ts';
import { followProperties, type Updates } from '../../../protocols/vsphere/property-updates.ts';
import { type VimClient, vimClient } from '../../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../../protocols/vsphere/vim-message.ts';
import { xml } from '../../../protocols/xml/xml-text.ts';
import type { Platform, PlatformCard, PlatformNews, PlatformVm } from '../platform.ts';
import { cardChange, type NetworkCard, readCards } from './network-cards.ts';
import { vspherePlatform } from './vsphere-platform.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const wait = async (ms: number): Promise<void> => await sleep(ms);
const nasty = fc.constantFrom(']]>', '"', "'", '\n', '<x/>', '&amp;', '$()', '../', '-->', 'x'.repeat(4096));
const names = fc
  .array(fc.oneof(nasty, fc.string({ unit: 'grapheme-ascii', minLength: 1 })), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(''))
  .filter((name) => name.trim() !== '');
const taskPatience = { deadlineMs: 10_000, sleep: wait, monotonic: clock.monotonic };

suite('vSphere, against a vCenter simulator', () => {
  let vcenter: Vcenter;
  let platform: Platform;
  let client: VimClient;

  before(async () => {
    vcenter = await startVcenter();
    platform = must(vspherePlatform({ ...vcenter, clock, sleep: wait }));
    client = open(vcenter);
  });

  after(async () => {
    await platform.close();
    await client.close();
    await vcenter.stop();
  });

  const vmAt = async (index: number): Promise<PlatformVm> => {
    const vm = must(await platform.listVms()).vms[index];
    assert.ok(vm !== undefined);
    return vm;
  };
  const objectOf = ({ id }: PlatformVm): ManagedObject => ({ type: 'VirtualMachine', id });
  const reconfigure = async (vm: PlatformVm, ...changes: Parameters<typeof xml>[]): Promise<void> => {
    const spec = xml(
      'spec',
      changes.map((change) => xml(...change)),
    );
    must(await runTask(client, 'ReconfigVM_Task', objectOf(vm), [spec], taskPatience));
  };

  const given = (): PlatformOnTrial => ({
    platform,
    open: (changes) => must(vspherePlatform({ ...vcenter, clock, sleep: wait, ...changes })),
    async readState(vm) {
      const read = must(await readProperties(client, objectOf(vm), ['runtime.powerState']));
      const power = read.values.get('runtime.powerState')?.text;
      return power === 'poweredOn' ? 'running' : power === 'suspended' ? 'suspended' : 'off';
    },
    async isLinkUp(vm, card) {
      return (await cardOf(vm, card)).isConnected;
    },
    async connectByHand(vm, card) {
      const up = { connected: true, startConnected: true, allowGuestControl: true };
      const spec = xml('spec', [cardChange(await cardOf(vm, card), up)]);
      must(await runTask(client, 'ReconfigVM_Task', objectOf(vm), [spec], taskPatience));
    },
    rename: (vm, name) => reconfigure(vm, ['name', name]),
    endSessions: () => endOtherSessions(client),
  });
  for (const [what, check] of platformContract({ given, names })) test(what, check);

  async function cardOf(vm: PlatformVm, { id }: PlatformCard): Promise<NetworkCard> {
    const read = must(await readProperties(client, objectOf(vm), ['config.hardware.device']));
    const found = readCards(read.values.get('config.hardware.device')).find((card) => card.id === id);
    assert.ok(found !== undefined);
    return found;
  }

  test('VMs are listed with power, host, card, address, attributes and tags', async () => {
    const first = await vmAt(0);
    await reconfigure(first, [
      'extraConfig',
      [xml('key', 'SET.guest.ipAddress'), xml('value', '10.9.0.11', { 'xsi:type': 'xsd:string' })],
    ]);
    const fields = { type: 'CustomFieldsManager', id: must(await client.content()).customFieldsManager?.id ?? '' };
    const field = must(await client.call('AddCustomFieldDef', fields, [xml('name', 'owner <&>')]));
    const key = field.children[0]?.children.find(({ name }) => name === 'key')?.text ?? '';
    const entity = xml('entity', first.id, { type: 'VirtualMachine' });
    must(await client.call('SetField', fields, [entity, xml('key', key), xml('value', 'team "a"')]));
    await attachTag(client, first.id, 'tier:web');

    const inventory = must(await platform.listVms());
    assert.deepEqual([inventory.isCut, inventory.gaps], [false, []]);
    assert.equal(inventory.vms.length, 4);
    const seen = inventory.vms.find(({ id }) => id === first.id);
    assert.ok(seen !== undefined);
    assert.match(seen.uuid ?? '', /^[0-9a-f-]{36}$/);
    assert.match(seen.host ?? '', /^DC0_/);
    assert.deepEqual([seen.state, seen.addresses, seen.tags], ['running', ['10.9.0.11'], ['tier:web']]);
    assert.deepEqual(seen.attributes, { 'owner <&>': 'team "a"' });
    assert.match(seen.cards[0]?.mac ?? '', /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  });

  test('changes are told as they happen, and from the beginning after the session was lost', async () => {
    const vm = await vmAt(3);
    const watcher = open(vcenter);
    const stop = new AbortController();
    const stream = followProperties(watcher, {
      type: 'VirtualMachine',
      paths: ['name', 'runtime.powerState'],
      waitSeconds: 2,
      restMs: 10,
      sleep: wait,
      signal: stop.signal,
    });
    const whole = await next(stream);
    assert.ok(whole.isWhole && whole.updates.length === 4, JSON.stringify(whole));
    const told = next(stream);
    must(await runTask(client, 'SuspendVM_Task', objectOf(vm), [], taskPatience));
    const change = (await told).updates.find(({ object }) => object.id === vm.id);
    assert.equal(change?.values.get('runtime.powerState')?.text, 'suspended');

    await endOtherSessions(client);
    const seen: Updates[] = [];
    do seen.push(await next(stream));
    while (seen.at(-1)?.isWhole !== true && seen.length < 10);
    assert.equal(seen.at(-1)?.updates.length, 4, JSON.stringify(seen));
    assert.ok(watcher.logins() >= 2);
    stop.abort();
    await stream.return(undefined);
    await watcher.close();
  });

  test('whoever follows is told of power, name and cards that others changed, until the following is closed', async () => {
    const news: PlatformNews['kind'][] = [];
    const vm = await vmAt(3);
    const before = (await otherSessions(client)).length;
    const followed = platform.follow?.((each) => void news.push(each.kind));
    assert.ok(followed !== undefined);
    const toldOf = async (what: PlatformNews['kind'], work: () => Promise<void>): Promise<void> => {
      news.length = 0;
      await work();
      for (const deadlineMs = Date.now() + 2000; !news.includes(what) && Date.now() < deadlineMs;) await sleep(10);
      assert.ok(news.includes(what), JSON.stringify({ what, news }));
    };
    await toldOf('following', async () => await Promise.resolve());
    await toldOf('changed', async () => {
      must(await runTask(client, 'Rename_Task', objectOf(vm), [xml('newName', 'renamed')], taskPatience));
    });
    await toldOf('changed', async () => {
      must(await runTask(client, 'PowerOffVM_Task', objectOf(vm), [], taskPatience));
    });
    await toldOf('changed', async () => {
      const [card] = vm.cards;
      assert.ok(card !== undefined);
      await given().connectByHand(vm, card);
    });
    assert.equal((await otherSessions(client)).length, before + 1);
    await followed.close();
    news.length = 0;
    must(await runTask(client, 'PowerOnVM_Task', objectOf(vm), [], taskPatience));
    await sleep(500);
    assert.deepEqual([news, (await otherSessions(client)).length], [[], before]);
  });

  test('a wrong password is refused, and not tried again at once', async () => {
    const wrong = must(vimClient({ ...settingsOf(vcenter), password: 'x' }));
    const first = await wrong.content();
    assert.ok(!first.ok && first.error.fault === 'InvalidLogin' && first.error.kind === 'refused');
    const second = await wrong.content();
    // The very same answer: the server was not asked.
    assert.equal(second, first);
    assert.doesNotMatch(sayProblem(first.error), new RegExp(vcenter.user));
    await wrong.close();
  });

  test('an answer larger than the limit is not read', async () => {
    const small = must(vimClient({ ...settingsOf(vcenter), bodyBytesMax: 500 }));
    const content = await small.content();
    assert.ok(!content.ok && /more than 500 bytes/.test(content.error.message));
    await small.close();
  });
});

function settingsOf(vcenter: Vcenter) {
  const { url, user, password, fingerprint } = vcenter;
  return { url, user, password, fingerprint, clock, timeoutMs: 10_000, bodyBytesMax: 8 * 1024 * 1024 };
}

function open(vcenter: Vcenter): VimClient {
  return must(vimClient(settingsOf(vcenter)));
}

async function next(stream: AsyncGenerator<Updates>): Promise<Updates> {
  const step = await stream.next();
  assert.ok(step.done !== true);
  return step.value;
}

async function attachTag(client: VimClient, vm: string, name: string): Promise<void> {
  const { user, password } = client.credentials;
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const ask = async (path: string, headers: Record<string, string>, body: unknown): Promise<string> => {
    const answered = must(
      await client.rest({ method: 'POST', path: `/rest/com/vmware/cis/${path}`, headers, body: JSON.stringify(body) }),
    );
    assert.equal(answered.status, 200, answered.body);
    return answered.body === '' ? '' : ((JSON.parse(answered.body) as { value?: string }).value ?? '');
  };
  const headers = { 'vmware-api-session-id': await ask('session', { authorization: basic }, {}) };
  const associable = { associable_types: ['VirtualMachine'], cardinality: 'MULTIPLE', description: '' };
  const category = await ask('tagging/category', headers, { create_spec: { name: 'tier', ...associable } });
  const tag = await ask('tagging/tag', headers, { create_spec: { category_id: category, name, description: '' } });
  const place = `tagging/tag-association/id:${encodeURIComponent(tag)}?~action=attach`;
  await ask(place, headers, { object_id: { id: vm, type: 'VirtualMachine' } });
}
