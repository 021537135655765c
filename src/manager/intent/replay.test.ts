// What would have alarmed, asked before judging begins: of what was learned, and of what came after learning might have ended.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import { at, connected, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
const web = { scope: 'shop', service: 'web' } as const;

before(async () => {
  trial = await startTrial();
  client = connect(trial.manager);
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  await deliver({ vms: [runningVm(1, 'web1')] });
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  must(await client.addMember({ ...web, vm: 'web1' }));
  const early = [started(vmId(1), '/usr/bin/ls', ['ls'], 10), connected(vmId(1), '/usr/bin/app', '10.0.0.9', 5432, 11)];
  const late = [
    { ...started(vmId(1), '/usr/bin/ls', ['ls'], 7200), pid: 999 },
    started(vmId(1), '/usr/bin/new', ['new'], 7300),
    started(vmId(1), '/tmp/miner', ['miner'], 7400),
  ];
  for (const activity of [...early, ...late])
    await deliver({ observed: [{ vm: vmId(1), items: [observed(activity, 2)] }] });
});
after(async () => await trial.end());

async function deliver(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

const alarmsOf = async (learnedUntil?: string): Promise<string[]> => {
  const [service] = must(
    await client.replayScope({ scope: 'shop', ...(learnedUntil === undefined ? {} : { learnedUntil }) }),
  ).services;
  return (service?.alarms ?? []).map(({ title, count }) => `${count} ${/started (\S+):/.exec(title)?.[1] ?? title}`);
};

test('of what was learned only what is held would alarm, and once it is accepted nothing', async () => {
  assert.deepEqual(await alarmsOf(), ['2 /tmp/miner']);
  const [service] = must(await client.replayScope({ scope: 'shop' })).services;
  assert.deepEqual([service?.judged, service?.deviations, service?.period], [10, 2, { from: at(10), until: at(7400) }]);
  assert.equal(must(await client.getScope({ scope: 'shop' })).mode, 'capture');
});

test('had learning ended earlier, what came later would have alarmed', async () => {
  assert.deepEqual((await alarmsOf(at(3600))).sort(), ['2 /tmp/miner', '2 /usr/bin/new']);
  const replay = must(await client.replayScope({ scope: 'shop', learnedUntil: at(3600) }));
  assert.deepEqual([replay.services[0]?.judged, replay.notes], [6, []]);
  assert.equal((await alarmsOf(at(9000))).length, 0);
});

test('a decision about a held entry shows at once', async () => {
  const [held] = must(await client.listHeld({ ...web }));
  must(await client.decideHeld({ ...web, entries: [held?.id ?? ''], verdict: 'accepted' }));
  assert.deepEqual(await alarmsOf(), []);
});

test('a scope that is none is said to be none', async () => {
  const none = await client.replayScope({ scope: 'nowhere' });
  assert.ok(!none.ok && none.error.kind === 'not-found');
});
