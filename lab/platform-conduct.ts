// What every remote platform, real or simulated, must do for the manager to stand on it: an action takes effect once, and a
// quarantine is seen missing when a link was put up by hand, is put back by applying it again, and given back by its name.
import assert from 'node:assert/strict';
import type { Action, Step } from '../src/model/remediation.ts';
import { type Platform, type PlatformVm, portOf } from '../src/connectors/enforcement/platform.ts';
import { must } from '../src/manager/trial.ts';

export interface PlatformUnderTest {
  readonly platform: Platform;
  /** Of a VM that runs and has a card. */
  readonly vm: PlatformVm;
  /** As somebody would who does not know of the quarantine. */
  readonly connectByHand: (vm: PlatformVm) => Promise<void>;
}

export async function assertConduct({ platform, vm, connectByHand }: PlatformUnderTest): Promise<void> {
  const now = async (): Promise<PlatformVm> =>
    must(await platform.listVms()).vms.find(({ id }) => id === vm.id) ?? assert.fail('the VM is gone');
  const enforcer = platform.enforcer(vm);
  assert.ok(enforcer !== null);
  for (const [action, state] of [
    ['suspend', 'suspended'],
    ['resume', 'running'],
    ['snapshot', 'running'],
  ] as const) {
    const once = await enforcer.act(stepOf(vm, action));
    assert.ok(once.state === 'done' && !once.evidence.includes('already'), once.evidence);
    assert.equal((await now()).state, state);
    assert.match((await enforcer.act(stepOf(vm, action))).evidence, /^already so/);
  }
  const [card] = vm.cards;
  assert.ok(card !== undefined);
  const network = platform.network(vm);
  const port = portOf(vm, card);
  const isUp = async () => (await now()).cards[0]?.isConnected;
  await connectByHand(vm);
  for (const changed of [true, false]) {
    const applied = await network.apply(port, 'r-1', { kind: 'quarantine', management: [] });
    assert.deepEqual([applied.state, applied.changed], ['done', changed], applied.evidence);
  }
  assert.equal(await isUp(), false);
  await connectByHand(vm);
  assert.equal(must(await network.inForce(port))[0]?.missing, 'its link is up');
  const mended = await network.apply(port, 'r-1', { kind: 'quarantine', management: [] });
  assert.deepEqual([mended.state, mended.changed, await isUp()], ['done', true, false], mended.evidence);
  const second = await network.apply(port, 'r-2', { kind: 'quarantine', management: [] });
  assert.equal(second.state, 'failed');
  for (const changed of [true, false]) {
    const released = await network.release(port, 'r-1');
    assert.deepEqual([released.state, released.changed], ['done', changed], released.evidence);
  }
  assert.equal(await isUp(), true);
  const other = await network.apply({ ...port, mac: '52:54:00:0f:0f:0f' }, 'r-3', {
    kind: 'quarantine',
    management: [],
  });
  assert.equal(other.state, 'failed');
}

function stepOf(vm: PlatformVm, action: Action): Step {
  const snapshot = action === 'snapshot' ? { snapshot: 'conduct-1' } : {};
  return { id: `s-${action}`, vm: vm.uuid ?? '', action, why: 'test', expect: action, undo: null, ...snapshot };
}
