// Text that other people put into a Proxmox VE, and what a server of somebody else's could say: none of it leads a request to
// another place, becomes another field or another line, or changes another card or VM.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import * as fc from 'fast-check';
import { hostileText, must, stepOf } from '../../../../lab/platform-contract.ts';
import { type ProxmoxOnTrial, startProxmox } from '../../../../lab/proxmox.ts';
import type { BlockFlow, NetworkMeasure } from '../../../model/network-measure.ts';
import { configDigest, fakeVm } from '../../../sim/proxmox/cluster.ts';
import type { SeenRequest } from '../../../sim/proxmox/fake-proxmox.ts';
import { type Platform, type PlatformVm, portOf } from '../platform.ts';

const block: BlockFlow = {
  kind: 'block-flow',
  peer: '203.0.113.9',
  proto: 'tcp',
  port: 443,
  direction: 'outbound',
  expiresAt: '2099-01-01T00:00:00Z',
};

const measures: readonly NetworkMeasure[] = [{ kind: 'quarantine', management: [] }, block];

suite('Hostile text on Proxmox VE', () => {
  let proxmox: ProxmoxOnTrial;
  let platform: Platform;
  before(async () => {
    proxmox = await startProxmox([]);
    platform = proxmox.open();
  });
  after(() => proxmox.stop());

  const since = (from: number): readonly SeenRequest[] => proxmox.fake.seen.slice(from);
  const isPlain = ({ target }: SeenRequest): boolean =>
    /^\/api2\/json(\/[A-Za-z0-9%:@!_-]+)+(\?[A-Za-z0-9=&_]+)?$/.test(target) && !/%2f|%2e|%5c|%00|%0a/i.test(target);

  test('names, tags, notes and odd settings reach no way, no field and no line', async () => {
    const texts = fc.record({ name: hostileText(), tags: hostileText(), notes: hostileText(), odd: hostileText() });
    await fc.assert(
      fc.asyncProperty(texts, async ({ name, tags, notes, odd }) => {
        const description = notes.slice(0, 7000).trim() || 'x';
        const changes = { name, tags, description, agent: odd, ipconfig0: odd, net1: odd, net2: `virtio=${odd}` };
        const fake = fakeVm('100', 'pve1', changes);
        const other = fakeVm('101', 'pve1');
        proxmox.fake.cluster.vms.set('100', fake).set('101', other);
        const untouched = configDigest(other);
        const from = proxmox.fake.seen.length;
        const [vm] = must(await platform.listVms()).vms as [PlatformVm];
        const [card] = vm.cards;
        assert.ok(card?.id === 'net0');
        const network = platform.network(vm);
        const port = portOf(vm, card);
        for (const measure of measures) {
          const applied = await network.apply(port, measure.kind, measure);
          assert.equal(applied.state, 'done', applied.evidence);
          const released = await network.release(port, measure.kind);
          assert.equal(released.state, 'done', released.evidence);
        }
        assert.deepEqual(
          [fake.settings.get('description'), fake.settings.get('net1'), fake.settings.get('net2')],
          [description, changes.net1, changes.net2],
        );
        assert.deepEqual([configDigest(other), fake.rules, proxmox.fake.cluster.isCorrupted], [untouched, [], false]);
        assert.deepEqual(
          since(from).filter((request) => !isPlain(request)),
          [],
        );
        const known =
          /^(net0|description|delete|digest|type|full|current|action|enable|iface|source|dest|proto|dport|sport|comment)$/;
        assert.ok(since(from).every(({ parameters }) => Object.keys(parameters).every((key) => known.test(key))));
      }),
      { numRuns: 12 },
    );
  });

  test('a note that somebody altered is a note only when it is whole', async () => {
    const whole = { id: 'q-1', vm: '0123456789ab', digest: '01234567', wasDown: false };
    const parts = [{ id: '../x' }, { vm: 'x' }, { digest: '' }, { wasDown: 'no' }];
    const altered = parts.map((part) => JSON.stringify({ ...whole, ...part }));
    for (const text of [
      ...altered,
      'null',
      '[]',
      '{',
      '',
      `${JSON.stringify(whole)} `,
      `{"id":"${'x'.repeat(500)}"}`,
    ]) {
      const isWhole = text.trimEnd() === JSON.stringify(whole);
      const fake = fakeVm('100', 'pve1', { description: `plumbline.quarantine.net0 ${text}` });
      proxmox.fake.cluster.vms.set('100', fake);
      const [vm] = must(await platform.listVms()).vms as [PlatformVm];
      const [card] = vm.cards;
      assert.ok(card !== undefined);
      const found = must(await platform.network(vm).inForce(portOf(vm, card)));
      assert.equal(found.length, isWhole ? 1 : 0, text);
    }
  });

  test('ids, peers and cards that no switch could carry are refused before anything is asked', async () => {
    proxmox.fake.cluster.vms.set('100', fakeVm('100', 'pve1'));
    const [vm] = must(await platform.listVms()).vms as [PlatformVm];
    const [card] = vm.cards;
    assert.ok(card !== undefined);
    const network = platform.network(vm);
    const from = proxmox.fake.seen.length;
    await fc.assert(
      fc.asyncProperty(hostileText(), async (text) => {
        fc.pre(!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text) && !/^[0-9a-f.:/]+$/i.test(text));
        const port = portOf(vm, card);
        for (const refused of [
          await network.apply(port, text, block),
          await network.apply(port, 'b-1', { ...block, peer: text }),
          await network.apply({ ...port, interface: text }, 'b-1', block),
          await network.apply({ ...port, mac: text }, 'b-1', block),
          await network.release(port, text),
        ])
          assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
      }),
    );
    assert.deepEqual(since(from), []);
  });

  test('a server that names nodes and VMs by ways to somewhere else is not followed there', async () => {
    for (const node of ['..', '../../access', 'a/b', 'a%2fb', 'a?b', 'a#b', 'a b', '', 'x'.repeat(200)]) {
      proxmox.fake.cluster.vms.set('100', fakeVm('100', node));
      const from = proxmox.fake.seen.length;
      const stranger = { ...(must(await platform.listVms()).vms[0] ?? nobody), id: 'qemu/100', uuid: null };
      const outcome = await platform.enforcer(stranger)?.act(stepOf(stranger, 'power-off'));
      assert.equal(outcome?.state, 'failed', node);
      assert.ok(since(from).every(isPlain), JSON.stringify(since(from)));
    }
    for (const id of ['qemu/../100', 'qemu/1', 'lxc/100', '100', 'qemu/100/config', 'qemu/0100', 'qemu/100 ']) {
      const outcome = await platform.enforcer({ ...nobody, id })?.act(stepOf(nobody, 'suspend'));
      assert.ok(outcome?.state === 'failed' && outcome.problem.kind === 'not-found', id);
    }
  });
});

const nobody: PlatformVm = {
  id: 'qemu/100',
  name: '',
  uuid: null,
  state: 'running',
  host: null,
  addresses: [],
  tags: [],
  attributes: {},
  cards: [],
};
