// vSphere against govmomi's vCenter simulator: inventory, every action with its independent reading, the stream of changes,
// sessions that expire, pins, passwords, servers that hang, and names that try to be markup.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { startVcenter, type Vcenter } from '../../../../lab/vcenter.ts';
import { sayProblem } from '../../../kit/problem.ts';
import type { Result } from '../../../kit/result.ts';
import type { Quarantine } from '../../../model/network-measure.ts';
import type { Action, Step } from '../../../model/remediation.ts';
import { readProperties, runTask } from '../../../protocols/vsphere/properties.ts';
import { followProperties, type Updates } from '../../../protocols/vsphere/property-updates.ts';
import { type VimClient, vimClient } from '../../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../../protocols/vsphere/vim-message.ts';
import { xml } from '../../../protocols/xml/xml-text.ts';
import { type Platform, type PlatformVm, portOf } from '../platform.ts';
import { cardChange, readCards } from './network-cards.ts';
import { vspherePlatform } from './vsphere-platform.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const wait = async (ms: number): Promise<void> => await sleep(ms);
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

  test('every action takes effect, as read by another session, is undone, and twice is no more than once', async () => {
    const vm = await vmAt(1);
    const enforcer = platform.enforcer(vm);
    assert.ok(enforcer !== null);
    assert.ok((await enforcer.capabilities()).every(({ available }) => available));
    const power = async (): Promise<string> =>
      must(await readProperties(client, objectOf(vm), ['runtime.powerState'])).values.get('runtime.powerState')?.text ??
      '';
    const acts: readonly (readonly [Action, string])[] = [
      ['suspend', 'suspended'],
      ['resume', 'poweredOn'],
      ['snapshot', 'poweredOn'],
      ['power-off', 'poweredOff'],
    ];
    for (const [action, state] of acts) {
      const once = await enforcer.act(stepOf(vm, action));
      assert.equal(once.state, 'done', `${action}: ${once.evidence}`);
      assert.doesNotMatch(once.evidence, /already/);
      assert.equal(await power(), state, action);
      const twice = await enforcer.act(stepOf(vm, action));
      assert.match(twice.evidence, /^already so/, action);
    }
    const reverted = await enforcer.revert('evidence-1');
    assert.equal(reverted.state, 'done', reverted.evidence);
    const missing = await enforcer.revert('evidence-2');
    assert.ok(missing.state === 'failed' && missing.problem.kind === 'not-found');
    const onOff = await enforcer.act(stepOf(vm, 'suspend'));
    assert.ok(onOff.state === 'failed' && onOff.problem.kind === 'refused');
  });

  test('a card is quarantined, once, stays so when the link is put up by hand and it is applied again, and is released', async () => {
    const vm = await vmAt(2);
    const [card] = vm.cards;
    assert.ok(card !== undefined);
    const network = platform.network(vm);
    const port = portOf(vm, card);
    const able = await network.capabilities(port);
    assert.deepEqual(
      able.filter(({ available }) => available).map(({ measure }) => measure),
      ['quarantine'],
    );
    assert.ok(able.every(({ available, why }) => available || why !== null));
    const measure: Quarantine = { kind: 'quarantine', management: [] };
    const isUp = async (): Promise<boolean | undefined> =>
      must(await platform.listVms()).vms.find(({ id }) => id === vm.id)?.cards[0]?.isConnected;

    // The simulator's VMs begin with their links down.
    await connectByHand(vm, card.id);
    assert.equal(await isUp(), true);
    const applied = await network.apply(port, 'r-1', measure);
    assert.ok(applied.state === 'done' && applied.changed, applied.evidence);
    assert.equal(await isUp(), false);
    const again = await network.apply(port, 'r-1', measure);
    assert.ok(again.state === 'done' && !again.changed, again.evidence);
    const other = await network.apply(port, 'r-2', measure);
    assert.equal(other.state, 'failed');

    await connectByHand(vm, card.id);
    const [found] = must(await network.inForce(port));
    assert.equal(found?.missing, 'its link is up');
    const mended = await network.apply(port, 'r-1', measure);
    assert.ok(mended.state === 'done' && mended.changed, mended.evidence);
    assert.equal(await isUp(), false);

    const released = await network.release(port, 'r-1');
    assert.ok(released.state === 'done' && released.changed, released.evidence);
    assert.equal(await isUp(), true);
    assert.deepEqual(must(await network.inForce(port)), []);
    assert.equal((await network.release(port, 'r-1')).changed, false);
    const flow = await network.apply(port, 'r-3', {
      kind: 'block-flow',
      peer: '10.0.0.1',
      proto: 'tcp',
      port: 80,
      direction: 'outbound',
      expiresAt: '2099-01-01T00:00:00Z',
    });
    assert.ok(flow.state === 'failed' && /drops no single flow/.test(flow.evidence));
  });

  /** As somebody would who does not know of the quarantine: the card as it is, with its link up. */
  async function connectByHand(vm: PlatformVm, card: string): Promise<void> {
    const read = must(await readProperties(client, objectOf(vm), ['config.hardware.device']));
    const found = readCards(read.values.get('config.hardware.device')).find(({ id }) => id === card);
    assert.ok(found !== undefined);
    const up = { connected: true, startConnected: true, allowGuestControl: true };
    const spec = xml('spec', [cardChange(found, up)]);
    must(await runTask(client, 'ReconfigVM_Task', objectOf(vm), [spec], taskPatience));
  }

  test('another VM under the card is noticed by its hardware address', async () => {
    const vm = await vmAt(2);
    const [card] = vm.cards;
    assert.ok(card !== undefined);
    const port = { ...portOf(vm, card), mac: '52:54:00:00:00:01' };
    const refused = await platform.network(vm).apply(port, 'r-9', { kind: 'quarantine', management: [] });
    assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
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

  test('a session that has expired is begun anew, once, and what was asked is answered', async () => {
    const vm = await vmAt(0);
    const enforcer = platform.enforcer(vm);
    await endOtherSessions(client);
    const suspended = await enforcer?.act(stepOf(vm, 'suspend'));
    assert.equal(suspended?.state, 'done', suspended?.evidence);
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

  test('another certificate than the pinned one is refused', async () => {
    const other = must(vspherePlatform({ ...vcenter, fingerprint: '00'.repeat(32), clock, sleep: wait }));
    const listed = await other.listVms();
    assert.ok(!listed.ok && listed.error.kind === 'refused' && /another certificate/.test(listed.error.message));
    await other.close();
  });

  test('a server that accepts and says nothing leaves nothing waiting', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const url = `https://127.0.0.1:${port}`;
    const hung = must(vspherePlatform({ ...vcenter, url, clock, sleep: wait, timeoutMs: 200 }));
    const listed = await hung.listVms();
    assert.ok(!listed.ok && listed.error.kind === 'interrupted', JSON.stringify(listed));
    await hung.close();
    silent.close();
  });

  test('an answer larger than the limit is not read', async () => {
    const small = must(vimClient({ ...settingsOf(vcenter), bodyBytesMax: 500 }));
    const content = await small.content();
    assert.ok(!content.ok && /more than 500 bytes/.test(content.error.message));
    await small.close();
  });

  test('whatever a VM is called, it is listed by that name, acted on alone, and nobody else is touched', async () => {
    const vm = await vmAt(1);
    const others = async (): Promise<string> =>
      JSON.stringify(must(await platform.listVms()).vms.filter(({ id }) => id !== vm.id));
    const untouched = await others();
    const nasty = fc.constantFrom(']]>', '"', "'", '\n', '<x/>', '&amp;', '$()', '../', '-->', 'x'.repeat(4096));
    const names = fc
      .array(fc.oneof(nasty, fc.string({ unit: 'grapheme-ascii', minLength: 1 })), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join(''))
      .filter((name) => name.trim() !== '');
    await fc.assert(
      fc.asyncProperty(names, async (name) => {
        await reconfigure(vm, ['name', name]);
        const seen = must(await platform.listVms()).vms.find(({ id }) => id === vm.id);
        assert.equal(seen?.name, name.slice(0, 4096));
        assert.equal(await others(), untouched);
      }),
      { numRuns: 20 },
    );
    const on = await platform.enforcer(vm)?.act(stepOf(vm, 'snapshot'));
    assert.equal(on?.state, 'done', on?.evidence);
  });
});

function must<T, E>(result: Result<T, E>): T {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

function settingsOf(vcenter: Vcenter) {
  const { url, user, password, fingerprint } = vcenter;
  return { url, user, password, fingerprint, clock, timeoutMs: 10_000, bodyBytesMax: 8 * 1024 * 1024 };
}

function open(vcenter: Vcenter): VimClient {
  return must(vimClient(settingsOf(vcenter)));
}

function stepOf(vm: PlatformVm, action: Action): Step {
  const snapshot = action === 'snapshot' ? { snapshot: 'evidence-1' } : {};
  return { id: `s-${action}`, vm: vm.uuid ?? '', action, why: 'test', expect: action, undo: null, ...snapshot };
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

/** What an idle limit or an administrator does. */
async function endOtherSessions(client: VimClient): Promise<void> {
  const { sessionManager } = must(await client.content());
  const read = must(await readProperties(client, sessionManager, ['sessionList', 'currentSession']));
  const keyOf = (element: { children: readonly { name: string; text: string }[] } | undefined): string =>
    element?.children.find(({ name }) => name === 'key')?.text ?? '';
  const own = keyOf(read.values.get('currentSession'));
  const keys = (read.values.get('sessionList')?.children ?? []).map(keyOf).filter((key) => key !== own);
  assert.ok(keys.length > 0);
  for (const key of keys) await client.call('TerminateSession', sessionManager, [xml('sessionId', key)]);
}
