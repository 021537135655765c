// Measures on the card of a Proxmox VE VM, judged by whether packets would pass: quarantine with what is left of other people's
// notes and cards, blocks with rules that are switched off, moved or deleted, firewalls that are off, and going back to a snapshot.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import * as fc from 'fast-check';
import { hostileText, must } from '../../../../lab/platform-contract.ts';
import { type ProxmoxOnTrial, startProxmox } from '../../../../lab/proxmox.ts';
import type { BlockFlow, Quarantine, VmPort } from '../../../model/network-measure.ts';
import { type FakeFlow, fakeVm, type FakeVm, passes } from '../../../sim/proxmox/cluster.ts';
import { fakeUser } from '../../../sim/proxmox/fake-proxmox.ts';
import type { Enforcer } from '../enforcer.ts';
import type { MeasureOutcome, NetworkEnforcer } from '../network-enforcer.ts';
import { type Platform, type PlatformVm, portOf } from '../platform.ts';

const quarantine: Quarantine = { kind: 'quarantine', management: ['10.9.0.2'] };
const block: BlockFlow = {
  kind: 'block-flow',
  peer: '203.0.113.0/24',
  proto: 'tcp',
  port: 443,
  direction: 'outbound',
  expiresAt: '2099-01-01T00:00:00Z',
};
const flow: FakeFlow = { direction: 'out', peer: '203.0.113.9', proto: 'tcp', peerPort: 443, ownPort: 50_000 };
const accept = { type: 'out', action: 'ACCEPT', enable: '1' };

suite('Measures on Proxmox VE', () => {
  let proxmox: ProxmoxOnTrial;
  let platform: Platform | null = null;
  let vm: PlatformVm;
  let network: NetworkEnforcer;
  let enforcer: Enforcer;
  let port: VmPort;
  before(async () => {
    proxmox = await startProxmox([fakeVm('100', 'pve1')]);
  });
  after(() => proxmox.stop());

  /** A VM as good as new, with what is changed about it. */
  const fresh = async (changes: Readonly<Record<string, string>> = {}): Promise<FakeVm> => {
    const fake = fakeVm('100', 'pve1', changes);
    fake.firewall.set('policy_in', 'ACCEPT');
    proxmox.fake.cluster.vms.set('100', fake);
    proxmox.fake.cluster.firewall.set('enable', '1');
    platform ??= proxmox.open();
    [vm] = must(await platform.listVms()).vms as [PlatformVm];
    const [card] = vm.cards;
    assert.ok(card !== undefined);
    port = portOf(vm, card);
    network = platform.network(vm);
    const found = platform.enforcer(vm);
    assert.ok(found !== null);
    enforcer = found;
    return fake;
  };
  const lets = (asked: FakeFlow): boolean => passes(proxmox.fake.cluster, proxmox.fake.vm('100'), 'net0', asked);
  const done = (outcome: MeasureOutcome, changed: boolean): void => {
    assert.deepEqual([outcome.state, outcome.changed], ['done', changed], outcome.evidence);
  };

  test('a quarantine cuts what was connected before as well, which no rule of the firewall does', async () => {
    await fresh();
    const old = { ...flow, isEstablished: true };
    done(await network.apply(port, 'b-1', block), true);
    assert.deepEqual([lets(flow), lets(old)], [false, true]);
    done(await network.apply(port, 'q-1', quarantine), true);
    assert.deepEqual([lets(flow), lets(old)], [false, false]);
    done(await network.release(port, 'q-1'), true);
    done(await network.release(port, 'b-1'), true);
    assert.deepEqual([lets(flow), lets(old)], [true, true]);
  });

  test('notes and all else of the card are given back as they were, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(hostileText(), async (notes) => {
        const kept = notes.slice(0, 7000).replaceAll(/[\r\n]+$/g, '');
        fc.pre(kept !== '');
        const fake = await fresh({ description: kept, net3: 'e1000=BC:24:11:00:00:03,bridge=vmbr0' });
        const [card, other] = [fake.settings.get('net0'), fake.settings.get('net3')];
        done(await network.apply(port, 'q-1', quarantine), true);
        assert.equal(fake.settings.get('net0'), `${card},link_down=1`);
        assert.equal(fake.settings.get('net3'), other);
        assert.ok(fake.settings.get('description')?.startsWith(`${kept}\n`));
        done(await network.release(port, 'q-1'), true);
        assert.equal(fake.settings.get('net0'), card);
        assert.equal(fake.settings.get('description'), kept);
        assert.equal(fake.replugs, 0);
      }),
      { numRuns: 12 },
    );
  });

  test('a link that was down before stays down when the quarantine ends', async () => {
    const fake = await fresh({ net0: 'virtio=BC:24:11:00:01:00,link_down=1,bridge=vmbr0' });
    done(await network.apply(port, 'q-1', quarantine), true);
    done(await network.release(port, 'q-1'), true);
    assert.equal(fake.settings.get('net0'), 'virtio=BC:24:11:00:01:00,link_down=1,bridge=vmbr0');
  });

  const obstacles: readonly (readonly [string, Readonly<Record<string, string>>, (fake: FakeVm) => void, RegExp])[] = [
    ['a lock', {}, (fake) => void (fake.lock = 'backup'), /locked \(backup\)/],
    ['no bridge', { net0: 'virtio=BC:24:11:00:01:00' }, () => undefined, /user network/],
    [
      'a change that waits',
      {},
      (fake) => void fake.pending.set('net0', 'e1000=BC:24:11:00:01:00,bridge=vmbr0'),
      /waits for the VM's restart/,
    ],
    ['notes that are full', { description: 'x'.repeat(8100) }, () => undefined, /no room/],
  ];
  for (const [what, changes, spoil, why] of obstacles) {
    test(`no quarantine, and nothing changed, with ${what}`, async () => {
      const fake = await fresh(changes);
      spoil(fake);
      const before = JSON.stringify([...fake.settings]);
      const refused = await network.apply(port, 'q-1', quarantine);
      assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
      assert.match(refused.evidence, why);
      assert.equal(JSON.stringify([...fake.settings]), before);
    });
  }

  test('a change that somebody else makes in between is not lost, and the quarantine is made all the same', async () => {
    const fake = await fresh();
    let isChanged = false;
    const get = fake.settings.get.bind(fake.settings);
    // The moment after the card was read and before it is written.
    proxmox.fake.onRequest = (verb) => {
      if (verb !== 'PUT' || isChanged) return;
      isChanged = true;
      fake.settings.set('net0', `${get('net0') ?? ''},rate=10`);
    };
    done(await network.apply(port, 'q-1', quarantine), true);
    proxmox.fake.onRequest = null;
    assert.ok(isChanged);
    assert.match(fake.settings.get('net0') ?? '', /rate=10,link_down=1$/);
  });

  test('every kind of flow is blocked in both directions, by its own card and peer only, and given back', async () => {
    const kinds = fc.record({
      proto: fc.constantFrom('tcp', 'udp', 'any'),
      port: fc.constantFrom(null, 443),
      direction: fc.constantFrom('outbound', 'inbound'),
      peer: fc.constantFrom('203.0.113.9', '203.0.113.0/24', '2001:db8::9', '2001:db8::/32'),
    } as const);
    await fc.assert(
      fc.asyncProperty(kinds, async (kind) => {
        const fake = await fresh({ net1: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1' });
        done(await network.apply(port, 'b-1', { ...block, ...kind }), true);
        done(await network.apply(port, 'b-1', { ...block, ...kind }), false);
        const peer = kind.peer.includes(':') ? '2001:db8::9' : '203.0.113.9';
        const [peerPort, ownPort] = kind.direction === 'outbound' ? [443, 5000] : [5000, 443];
        for (const proto of ['tcp', 'udp'] as const)
          for (const direction of ['in', 'out'] as const) {
            const asked = { direction, peer, proto, peerPort, ownPort };
            assert.equal(lets(asked), !(kind.proto === 'any' || kind.proto === proto), JSON.stringify(asked));
            assert.equal(lets({ ...asked, peer: peer.includes(':') ? '2001:dba::1' : '198.51.100.1' }), true);
            assert.equal(passes(proxmox.fake.cluster, fake, 'net1', asked), true);
            if (kind.port !== null) assert.equal(lets({ ...asked, peerPort: 80, ownPort: 80 }), true);
          }
        const [found] = must(await network.inForce(port));
        assert.deepEqual([found?.id, found?.missing, found?.endsInMs], ['b-1', null, null]);
        done(await network.release(port, 'b-1'), true);
        assert.deepEqual(fake.rules, []);
      }),
      { numRuns: 14 },
    );
  });

  const spoilt: readonly (readonly [string, (fake: FakeVm) => void, RegExp])[] = [
    ['is deleted', (fake) => void fake.rules.pop(), /is not there/],
    ['is switched off', (fake) => void (fake.rules[0] = { ...fake.rules[0], enable: '0' }), /is switched off/],
    ['lets pass', (fake) => void (fake.rules[0] = { ...fake.rules[0], action: 'ACCEPT' }), /was changed/],
    ['has another peer', (fake) => void (fake.rules[1] = { ...fake.rules[1], dest: '1.1.1.1' }), /was changed/],
    ['stands behind one that lets pass', (fake) => void fake.rules.unshift(accept), /somebody else/],
    [
      'stands behind a group',
      (fake) => void fake.rules.unshift({ ...accept, type: 'group', action: 'web' }),
      /somebody/,
    ],
  ];
  for (const [what, spoil, missing] of spoilt) {
    test(`a rule that ${what} is noticed, and put back without touching what is not ours`, async () => {
      const fake = await fresh();
      const other = { type: 'in', action: 'ACCEPT', enable: '1', source: '10.0.0.1', comment: 'plumbline is not mine' };
      fake.rules.push(other);
      done(await network.apply(port, 'b-1', block), true);
      fake.rules.splice(fake.rules.indexOf(other), 1);
      spoil(fake);
      assert.match(must(await network.inForce(port))[0]?.missing ?? '', missing);
      fake.rules.push(other);
      done(await network.apply(port, 'b-1', block), true);
      assert.equal(lets(flow), false);
      assert.equal(fake.rules.filter(({ comment }) => comment?.includes('b-1')).length, 2);
      done(await network.release(port, 'b-1'), true);
      assert.ok(fake.rules.includes(other) && !fake.rules.some(({ comment }) => comment?.includes('b-1')));
    });
  }

  const off: readonly (readonly [string, (fake: FakeVm) => void, RegExp])[] = [
    ['the datacenter', () => void proxmox.fake.cluster.firewall.set('enable', '0'), /datacenter is off/],
    ['the VM', (fake) => void fake.firewall.set('enable', '0'), /its firewall is off/],
    ['the card', (fake) => void fake.settings.set('net0', 'virtio=BC:24:11:00:01:00,bridge=vmbr0'), /firewall=1/],
  ];
  for (const [what, spoil, why] of off) {
    test(`a rule is not ordered where the firewall of ${what} is off, and one that is there is not called whole`, async () => {
      const fake = await fresh();
      done(await network.apply(port, 'b-1', block), true);
      spoil(fake);
      assert.equal(lets(flow), true);
      assert.notEqual(must(await network.inForce(port))[0]?.missing, null);
      const ability = (await network.capabilities(port)).find(({ measure }) => measure === 'block-flow');
      assert.match(ability?.why ?? '', why);
      const refused = await network.apply(port, 'b-2', block);
      assert.ok(refused.state === 'failed' && why.test(refused.evidence), refused.evidence);
      assert.equal(fake.rules.length, 2);
      done(await network.release(port, 'b-1'), true);
    });
  }

  test('a firewall that may not be read is not relied on', async () => {
    await fresh();
    const { privileges } = proxmox.fake.account(fakeUser);
    const all = privileges.get('/') ?? [];
    privileges.set(
      '/',
      all.filter((name) => name !== 'Sys.Audit'),
    );
    const refused = await network.apply(port, 'b-1', block);
    privileges.set('/', all);
    assert.ok(refused.state === 'failed' && /Sys\.Audit/.test(refused.evidence), refused.evidence);
  });

  test('going back to a snapshot does not open a card in quarantine, and begins the VM anew', async () => {
    const fake = await fresh();
    const act = { id: 's', vm: vm.uuid ?? '', action: 'snapshot', why: 't', expect: 't', undo: null } as const;
    assert.equal((await enforcer.act({ ...act, snapshot: 'plumbline-clean' })).state, 'done');
    done(await network.apply(port, 'q-1', quarantine), true);
    const pid = fake.pid;
    const reverted = await enforcer.act({ ...act, id: 'r', action: 'revert', snapshot: 'plumbline-clean' });
    assert.equal(reverted.state, 'done', reverted.evidence);
    assert.match(reverted.evidence, /taken down again/);
    assert.notEqual(fake.pid, pid);
    assert.equal(fake.links.get('net0'), false);
    assert.equal(must(await network.inForce(port))[0]?.missing, null);
    done(await network.release(port, 'q-1'), true);
    assert.equal(fake.links.get('net0'), true);
  });
});
