// Proxmox VE, against a made-up server with the refusals of the real one: what every platform must keep, with a token and with a
// password; what is listed; tickets; VMs that move between nodes; numbers that are given out again.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  hostileText,
  must,
  platformContract,
  type PlatformOnTrial,
  stepOf,
} from '../../../../lab/platform-contract.ts';
import { byPassword, byToken, type ProxmoxOnTrial, startProxmox } from '../../../../lab/proxmox.ts';
import type { ProxmoxCredentials } from '../../../protocols/proxmox/proxmox-client.ts';
import { fakeVm, type FakeVm, startProcess } from '../../../sim/proxmox/cluster.ts';
import { fakeUser } from '../../../sim/proxmox/fake-proxmox.ts';
import { type Platform, type PlatformVm, portOf } from '../platform.ts';

for (const credentials of [byToken, byPassword])
  suite(`Proxmox VE by ${credentials.kind}`, () => {
    let proxmox: ProxmoxOnTrial;
    let platform: Platform;
    before(async () => {
      proxmox = await startProxmox();
      platform = proxmox.open({ credentials });
    });
    after(() => proxmox.stop());
    const given = (): PlatformOnTrial => onTrial(proxmox, platform, credentials);
    for (const [what, check] of platformContract({ given, names: hostileText() })) test(what, check);
  });

function onTrial(proxmox: ProxmoxOnTrial, platform: Platform, credentials: ProxmoxCredentials): PlatformOnTrial {
  const { fake } = proxmox;
  const of = ({ id }: PlatformVm): FakeVm => fake.vm(id.slice('qemu/'.length));
  return {
    platform,
    open: (changes) => proxmox.open(changes.password === undefined ? { ...changes, credentials } : changes),
    async readState(vm) {
      const { isRunning, qemu } = of(vm);
      return !isRunning ? 'off' : qemu === 'paused' ? 'suspended' : 'running';
    },
    isLinkUp: async (vm, card) => of(vm).links.get(card.id) === true,
    async connectByHand(vm, card) {
      const text = of(vm).settings.get(card.id) ?? '';
      of(vm).settings.set(card.id, text.replace(',link_down=1', ''));
      of(vm).links.set(card.id, true);
    },
    async rename(vm, name) {
      of(vm).settings.set('name', name);
    },
    endSessions: async () => fake.forgetTickets(),
  };
}

suite('Proxmox VE', () => {
  let proxmox: ProxmoxOnTrial;
  let platform: Platform;
  before(async () => {
    const busy = fakeVm('100', 'pve1', {
      tags: 'web;prod',
      agent: 'enabled=1,fstrim_cloned_disks=1',
      net1: 'e1000=BC:24:11:AA:00:01,bridge=vmbr1,link_down=1',
      description: 'owned by "team a"\nplumbline.quarantine.net9 {}',
    });
    busy.agentAddresses = ['127.0.0.1', '10.9.0.11', 'fe80::1', '10.9.0.11'];
    const planned = fakeVm('101', 'pve1', { ipconfig0: 'ip=10.9.0.12/24,gw=10.9.0.1,ip6=dhcp' });
    planned.qemu = 'paused';
    const away = fakeVm('102', 'pve2');
    const slept = fakeVm('103', 'pve1');
    Object.assign(slept, { isRunning: false, lock: 'suspended' });
    const template = fakeVm('104', 'pve1', { template: '1' });
    proxmox = await startProxmox([busy, planned, away, slept, template]);
    platform = proxmox.open();
  });
  after(() => proxmox.stop());

  const vmOf = async (number: string): Promise<PlatformVm> => {
    const vm = must(await platform.listVms()).vms.find(({ id }) => id === `qemu/${number}`);
    assert.ok(vm !== undefined);
    return vm;
  };

  test('VMs are listed with state, node, cards, addresses, tags and notes; templates are not', async () => {
    const inventory = must(await platform.listVms());
    assert.deepEqual([inventory.isCut, inventory.gaps], [false, []]);
    const states = inventory.vms.map(({ id, state, host }) => [id, state, host]);
    assert.deepEqual(states, [
      ['qemu/100', 'running', 'pve1'],
      ['qemu/101', 'suspended', 'pve1'],
      ['qemu/102', 'running', 'pve2'],
      ['qemu/103', 'suspended', 'pve1'],
    ]);
    const [first, second] = inventory.vms;
    assert.equal(first?.uuid, '6f1d0c52-8a11-4b5e-9d3e-000000000100');
    assert.deepEqual(first.tags, ['web', 'prod']);
    assert.deepEqual(first.addresses, ['10.9.0.11']);
    assert.deepEqual(second?.addresses, ['10.9.0.12']);
    assert.deepEqual(first.attributes, { notes: 'owned by "team a"' });
    assert.deepEqual(first.cards, [
      { id: 'net0', mac: 'bc:24:11:00:01:00', network: 'vmbr0 vlan 20', isConnected: true },
      { id: 'net1', mac: 'bc:24:11:aa:00:01', network: 'vmbr1', isConnected: false },
    ]);
  });

  test('a node that is down, and addresses that may not be asked for, are gaps and no empty truth', async () => {
    const { fake } = proxmox;
    fake.cluster.nodes.set('pve2', false);
    const { privileges } = fake.account(fakeUser);
    const all = privileges.get('/') ?? [];
    privileges.set(
      '/',
      all.filter((name) => name !== 'VM.GuestAgent.Audit'),
    );
    const inventory = must(await platform.listVms());
    fake.cluster.nodes.set('pve2', true);
    privileges.set('/', all);
    const away = inventory.vms.find(({ id }) => id === 'qemu/102');
    assert.deepEqual([away?.state, away?.cards], ['unknown', []]);
    assert.match(
      inventory.gaps.join('\n'),
      /1 VMs on pve2 could not be read[^]*Configurations of 1[^]*VM\.GuestAgent\.Audit/,
    );
  });

  test('a VM that has moved to another node is found there, and what was ordered is done there', async () => {
    const vm = await vmOf('102');
    const enforcer = platform.enforcer(vm);
    assert.equal((await enforcer?.readState())?.ok, true);
    proxmox.fake.vm('102').node = 'pve1';
    const paused = await enforcer?.act(stepOf(vm, 'suspend'));
    assert.equal(paused?.state, 'done', paused?.evidence);
    assert.equal(proxmox.fake.vm('102').qemu, 'paused');
    assert.equal((await enforcer?.act(stepOf(vm, 'resume')))?.state, 'done');
  });

  test('a quarantine holds through a restart and a move, and is given back by one who knows nothing of it', async () => {
    const vm = await vmOf('102');
    const [card] = vm.cards;
    assert.ok(card !== undefined);
    const port = portOf(vm, card);
    const before = proxmox.fake.vm('102').settings.get('net0');
    assert.equal((await platform.network(vm).apply(port, 'r-1', { kind: 'quarantine', management: [] })).state, 'done');
    startProcess(proxmox.fake.cluster, proxmox.fake.vm('102'));
    proxmox.fake.vm('102').node = 'pve2';
    assert.equal(proxmox.fake.vm('102').links.get('net0'), false);
    const stranger = proxmox.open();
    const [found] = must(await stranger.network(vm).inForce(port));
    assert.deepEqual([found?.id, found?.kind, found?.missing, found?.endsInMs], ['r-1', 'quarantine', null, null]);
    assert.equal((await stranger.network(vm).release(port, 'r-1')).state, 'done');
    assert.equal(proxmox.fake.vm('102').settings.get('net0'), before);
    assert.equal(proxmox.fake.vm('102').settings.has('description'), false);
    assert.deepEqual([proxmox.fake.vm('102').links.get('net0'), proxmox.fake.vm('102').replugs], [true, 0]);
  });

  test('nothing is done to another VM that was given the number of one that is gone', async () => {
    const vm = await vmOf('102');
    const settings = proxmox.fake.vm('102').settings;
    const identity = settings.get('smbios1') ?? '';
    settings.set('smbios1', 'uuid=11111111-2222-4333-8444-555555555555');
    const pid = proxmox.fake.vm('102').pid;
    const [card] = vm.cards;
    assert.ok(card !== undefined);
    const outcomes = [
      await platform.enforcer(vm)?.act(stepOf(vm, 'suspend')),
      await platform.enforcer(vm)?.act(stepOf(vm, 'power-off')),
      await platform.network(vm).apply(portOf(vm, card), 'r-2', { kind: 'quarantine', management: [] }),
    ];
    settings.set('smbios1', identity);
    for (const outcome of outcomes) assert.match(outcome?.evidence ?? '', /another VM by now/);
    assert.deepEqual([proxmox.fake.vm('102').pid, proxmox.fake.vm('102').qemu], [pid, 'running']);
  });

  test('a VM that was suspended to disk is not ended, and says so', async () => {
    const vm = await vmOf('103');
    const ended = await platform.enforcer(vm)?.act(stepOf(vm, 'power-off'));
    assert.ok(ended?.state === 'failed' && /suspended to disk/.test(ended.evidence), ended?.evidence);
    assert.equal((await platform.enforcer(vm)?.act(stepOf(vm, 'resume')))?.state, 'done');
    assert.equal(proxmox.fake.vm('103').isRunning, true);
  });

  test('a VM that high availability looks after is ended when it is seen to be, not when the task is', async () => {
    const vm = await vmOf('103');
    proxmox.fake.vm('103').isHighlyAvailable = true;
    const ended = await platform.enforcer(vm)?.act(stepOf(vm, 'power-off'));
    assert.equal(ended?.state, 'done', ended?.evidence);
    assert.equal(proxmox.fake.vm('103').isRunning, false);
  });
});

suite('Proxmox VE, tickets', () => {
  let proxmox: ProxmoxOnTrial;
  before(async () => {
    proxmox = await startProxmox();
  });
  after(() => proxmox.stop());
  const logins = (): number => proxmox.fake.seen.filter(({ target }) => target.endsWith('/access/ticket')).length;

  test('one ticket serves many questions at once, is drawn anew before it expires, and after it was forgotten', async () => {
    const platform = proxmox.open({ credentials: byPassword });
    await Promise.all([platform.listVms(), platform.listVms(), platform.listVms()]);
    assert.equal(logins(), 1);
    proxmox.pass(110 * 60_000);
    must(await platform.listVms());
    assert.equal(logins(), 2);
    proxmox.fake.forgetTickets();
    must(await platform.listVms());
    assert.equal(logins(), 3);
  });

  test('a refused password is not sent again for a minute, and then once', async () => {
    const platform = proxmox.open({ password: 'wrong' });
    const before = logins();
    for (let i = 0; i < 5; i += 1) assert.ok(!(await platform.listVms()).ok);
    assert.equal(logins() - before, 1);
    proxmox.pass(61_000);
    for (let i = 0; i < 5; i += 1) assert.ok(!(await platform.listVms()).ok);
    assert.equal(logins() - before, 2);
  });

  test('a refused token is not sent again for a minute', async () => {
    const platform = proxmox.open({
      credentials: { ...byToken, kind: 'token', id: `${fakeUser}!other`, secret: byTokenSecret },
    });
    const before = proxmox.fake.seen.length;
    for (let i = 0; i < 5; i += 1) assert.ok(!(await platform.listVms()).ok);
    assert.equal(proxmox.fake.seen.length - before, 1);
  });

  test('a second factor is asked for once, and named', async () => {
    proxmox.fake.cluster.accounts.set('two@pam', {
      ...proxmox.fake.account(fakeUser),
      password: 'two',
      needsSecondFactor: true,
    });
    const platform = proxmox.open({ credentials: { kind: 'password', user: 'two@pam', password: 'two' } });
    for (let i = 0; i < 2; i += 1) {
      const listed = await platform.listVms();
      assert.ok(!listed.ok && listed.error.kind === 'refused' && /second factor/.test(listed.error.message));
    }
    assert.equal(proxmox.fake.seen.filter(({ parameters }) => parameters['username'] === 'two@pam').length, 1);
  });
});

const byTokenSecret = '11111111-2222-4333-8444-555555555555';
