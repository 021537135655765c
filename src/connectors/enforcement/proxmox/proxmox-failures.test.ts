// A Proxmox VE server that refuses, hangs, cuts the line, lies or talks nonsense: nothing is called done that nobody saw, nothing
// waits for ever, and the reason reaches the reader.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { must, stepOf } from '../../../../lab/platform-contract.ts';
import { type ProxmoxOnTrial, startProxmox } from '../../../../lab/proxmox.ts';
import type { BlockFlow, Quarantine } from '../../../model/network-measure.ts';
import type { Action } from '../../../model/remediation.ts';
import { fakeVm, type FakeVm } from '../../../sim/proxmox/cluster.ts';
import { fakeUser, type Misbehaviour } from '../../../sim/proxmox/fake-proxmox.ts';
import type { ActOutcome, Enforcer } from '../enforcer.ts';
import { type Platform, type PlatformVm, portOf } from '../platform.ts';

const quarantine: Quarantine = { kind: 'quarantine', management: [] };
const block: BlockFlow = {
  kind: 'block-flow',
  peer: '203.0.113.9',
  proto: 'udp',
  port: null,
  direction: 'inbound',
  expiresAt: '2099-01-01T00:00:00Z',
};

suite('Proxmox VE that does not do as it is told', () => {
  let proxmox: ProxmoxOnTrial;
  let fake: FakeVm;
  const opened = new Map<number, Platform>();
  before(async () => {
    proxmox = await startProxmox([fakeVm('100', 'pve1')]);
  });
  after(() => proxmox.stop());

  const fresh = async (timeoutMs = 5000): Promise<{ platform: Platform; vm: PlatformVm; enforcer: Enforcer }> => {
    fake = fakeVm('100', 'pve1');
    proxmox.fake.cluster.vms.set('100', fake);
    proxmox.fake.misbehaviours.length = 0;
    const platform = opened.get(timeoutMs) ?? proxmox.open({ timeoutMs });
    opened.set(timeoutMs, platform);
    const [vm] = must(await platform.listVms()).vms;
    const enforcer = vm === undefined ? null : platform.enforcer(vm);
    assert.ok(vm !== undefined && enforcer !== null);
    return { platform, vm, enforcer };
  };
  const misbehave = (kind: Misbehaviour['kind'], path: RegExp, verb: string, times = 1e6): void => {
    proxmox.fake.misbehaviours.push({ kind, path, verb, times });
  };
  /** Everything that can be ordered, each on a VM as good as new. */
  const orders: Readonly<Record<string, (on: Awaited<ReturnType<typeof fresh>>) => Promise<ActOutcome>>> = {
    suspend: ({ enforcer, vm }) => enforcer.act(stepOf(vm, 'suspend')),
    snapshot: ({ enforcer, vm }) => enforcer.act(stepOf(vm, 'snapshot')),
    'power-off': ({ enforcer, vm }) => enforcer.act(stepOf(vm, 'power-off')),
    revert: ({ enforcer, vm }) => enforcer.act({ ...stepOf(vm, 'revert'), snapshot: 'plumbline-evidence-1' }),
    quarantine: ({ platform, vm }) => platform.network(vm).apply(portOf(vm, must(cardOf(vm))), 'q-1', quarantine),
    'block-flow': ({ platform, vm }) => platform.network(vm).apply(portOf(vm, must(cardOf(vm))), 'b-1', block),
  };
  const withSnapshot = async (on: Awaited<ReturnType<typeof fresh>>): Promise<void> => {
    const made = await on.enforcer.act(stepOf(on.vm, 'snapshot'));
    assert.equal(made.state, 'done', made.evidence);
  };
  const acting = /\/(suspend|stop|snapshot|rollback|config|rules)$/;

  for (const [name, order] of Object.entries(orders)) {
    const prepared = async (): Promise<Awaited<ReturnType<typeof fresh>>> => {
      const on = await fresh();
      if (name === 'revert') await withSnapshot(on);
      return on;
    };

    test(`${name}: a server that says it was done and did nothing is not believed`, async () => {
      const on = await prepared();
      misbehave('lie', acting, 'POST');
      misbehave('lie', acting, 'PUT');
      const outcome = await order(on);
      assert.equal(outcome.state, 'unconfirmed', outcome.evidence);
    });

    test(`${name}: done, though the answer was lost on the way, is seen to be done or not claimed`, async () => {
      const on = await prepared();
      misbehave('cut-after', acting, 'POST', 1);
      misbehave('cut-after', acting, 'PUT', 1);
      const outcome = await order(on);
      assert.ok(outcome.state === 'done' || outcome.state === 'unconfirmed', outcome.evidence);
      // The same order again finds it done, or does what is missing of it, and no more than that.
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (name === 'revert') return;
      const again = await order(on);
      assert.equal(again.state, 'done', again.evidence);
      assert.ok(fake.rules.length <= 2 && fake.snapshots.size <= 1);
    });

    test(`${name}: a line that is cut before anything was read is a failure that says so`, async () => {
      const on = await prepared();
      misbehave('cut', /./, 'GET');
      const outcome = await order(on);
      assert.ok(outcome.state === 'failed' && outcome.problem.kind === 'interrupted', outcome.evidence);
    });

    test(`${name}: an answer that is no answer of the API is unreadable`, async () => {
      const on = await prepared();
      misbehave('nonsense', /./, 'GET');
      const outcome = await order(on);
      assert.ok(outcome.state === 'failed' && outcome.problem.kind === 'unreadable', outcome.evidence);
    });

    test(`${name}: without the privilege nothing happens, and the privilege is named, by newer and older servers`, async () => {
      const on = await prepared();
      const { privileges } = proxmox.fake.account(fakeUser);
      const all = privileges.get('/') ?? [];
      privileges.set('/', ['VM.Audit', 'Sys.Audit']);
      for (const isOld of [false, true]) {
        proxmox.fake.isOld = isOld;
        const outcome = await order(on);
        assert.ok(outcome.state === 'failed' && outcome.problem.kind === 'refused', outcome.evidence);
        assert.match(outcome.evidence, /\/vms\/100, VM\.(PowerMgmt|Snapshot|Config\.(Network|Options))/);
      }
      proxmox.fake.isOld = false;
      privileges.set('/', all);
      assert.deepEqual(
        [fake.isRunning, fake.qemu, fake.rules.length, fake.links.get('net0')],
        [true, 'running', 0, true],
      );
    });
  }

  // The waiting is real here, and long enough for a busy machine to answer all else in.
  for (const name of ['suspend', 'revert', 'quarantine'] as const) {
    test(`${name}: a server that hangs is not waited for, and nothing is claimed`, async () => {
      const on = await fresh(2000);
      if (name === 'revert') await withSnapshot(on);
      misbehave('hang', acting, 'POST');
      misbehave('hang', acting, 'PUT');
      const outcome = await orders[name]?.(on);
      assert.equal(outcome?.state, 'unconfirmed', outcome?.evidence);
    });
  }

  for (const [name, lock] of [
    ['suspend', 'migrate'],
    ['snapshot', 'backup'],
    ['power-off', 'snapshot'],
    ['revert', 'backup'],
    ['quarantine', 'migrate'],
  ] as const) {
    test(`${name}: a VM that is locked (${lock}) stays as it is, and the lock is named`, async () => {
      const on = await fresh();
      if (name === 'revert') await withSnapshot(on);
      fake.lock = lock;
      const outcome = await orders[name]?.(on);
      assert.ok(outcome?.state === 'failed' && outcome.problem.kind === 'refused', outcome?.evidence);
      assert.match(outcome.evidence, new RegExp(`locked \\(${lock}\\)`));
      assert.deepEqual([fake.isRunning, fake.qemu, fake.links.get('net0')], [true, 'running', true]);
    });
  }

  test('a task that cannot be followed to its end is looked past at the VM itself', async () => {
    const on = await fresh();
    misbehave('cut', /\/tasks\//, 'GET');
    const outcome = await orders['suspend']?.(on);
    assert.equal(outcome?.state, 'done', outcome?.evidence);
  });

  test('a snapshot is not called there while it is being made, nor when it holds no memory', async () => {
    const on = await fresh();
    for (const spoilt of [{ hasMemory: false }, { unfinished: 'prepare' }] as const) {
      fake.snapshots.set('plumbline-evidence-1', {
        settings: new Map(),
        parent: null,
        hasMemory: true,
        time: 1,
        ...spoilt,
      });
      const outcome = await orders['snapshot']?.(on);
      assert.ok(outcome?.state === 'failed' && /already used/.test(outcome.evidence), outcome?.evidence);
    }
    const reverted = await orders['revert']?.(on);
    assert.ok(reverted?.state === 'failed' && /has no snapshot/.test(reverted.evidence), reverted?.evidence);
  });

  for (const name of ['current', 'Pending', 'a', '1st', 'with.dot', 'x'.repeat(41), '../config', 'a/b', 'a%2fb', 'ä']) {
    test(`no snapshot and no way back is asked for by the name ${JSON.stringify(name.slice(0, 12))}`, async () => {
      const on = await fresh();
      const before = proxmox.fake.seen.length;
      const made = await on.enforcer.act({ ...stepOf(on.vm, 'snapshot'), snapshot: name });
      assert.ok(made.state === 'failed' && made.problem.kind === 'refused', made.evidence);
      const reverted = await on.enforcer.act({ ...stepOf(on.vm, 'revert'), snapshot: name });
      assert.ok(reverted.state === 'failed' && reverted.problem.kind === 'refused', reverted.evidence);
      assert.ok(proxmox.fake.seen.slice(before).every(({ verb }) => verb === 'GET'));
    });
  }

  test('disks that keep no snapshot are told before one is ordered', async () => {
    const on = await fresh();
    fake.canSnapshot = false;
    const ability = (await on.enforcer.capabilities()).find(({ action }) => action === 'snapshot');
    assert.match(ability?.why ?? '', /keeps no snapshots/);
    assert.equal((await orders['snapshot']?.(on))?.state, 'failed');
  });

  test('what QEMU says in between is no state to act on', async () => {
    const on = await fresh();
    fake.qemu = 'finish-migrate';
    const outcome = await on.enforcer.act(stepOf(on.vm, 'suspend' satisfies Action));
    assert.ok(outcome.state === 'failed' && outcome.problem.kind === 'unreadable', outcome.evidence);
  });
});

function cardOf({ cards: [card] }: PlatformVm) {
  return card === undefined ? { ok: false as const, error: 'no card' } : { ok: true as const, value: card };
}
