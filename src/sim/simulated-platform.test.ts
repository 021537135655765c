// The simulated platform conducts itself as the real ones do, and has the faults it is asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertConduct } from '../../lab/platform-conduct.ts';
import { type Platform, type PlatformVm, portOf } from '../connectors/enforcement/platform.ts';
import { vmId } from './simulated-activity.ts';
import { SimulatedPlatform } from './simulated-platform.ts';

function steppedTime() {
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  return { clock, sleep: async (ms: number) => await Promise.resolve(void (nowMs += ms)) };
}

async function firstOf(platform: Platform): Promise<PlatformVm> {
  const listed = await platform.listVms();
  assert.ok(listed.ok);
  return listed.value.vms[0] ?? assert.fail('no VM');
}

test('it keeps the contract', async () => {
  const simulated = new SimulatedPlatform();
  simulated.add('vm-1', vmId(1));
  const platform = simulated.open(steppedTime());
  const vm = await firstOf(platform);
  await assertConduct({
    platform,
    vm,
    connectByHand: async ({ id }) =>
      await Promise.resolve(simulated.vms.get(id)?.cards.forEach((card) => void (card.isUp = true))),
  });
});

test('a lie and a lost answer are not confirmed or are seen done, a refusal and silence are failures', async () => {
  const simulated = new SimulatedPlatform();
  const vm = simulated.add('vm-1', vmId(1));
  const platform = simulated.open(steppedTime());
  const sight = await firstOf(platform);
  const [card] = sight.cards;
  assert.ok(card !== undefined);
  const cut = async (id: string) =>
    await platform.network(sight).apply(portOf(sight, card), id, { kind: 'quarantine', management: [] });
  simulated.fault = 'lies';
  assert.equal((await cut('a')).state, 'unconfirmed');
  simulated.fault = 'refuses';
  assert.equal((await cut('b')).state, 'failed');
  simulated.isAway = true;
  const away = await cut('c');
  assert.ok(away.state === 'failed' && away.problem.kind === 'interrupted');
  simulated.isAway = false;
  simulated.fault = 'loses';
  assert.equal((await cut('d')).state, 'done');
  assert.deepEqual(vm.effects, ['cut net0']);
});
