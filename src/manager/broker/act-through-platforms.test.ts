// Acting through a remote platform: the same guarantees as through a sentinel, over platforms that lie, lose answers, are away or
// see a manager die; and what was ordered is held.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { simulatedPlatforms } from '../../../lab/platform-trial.ts';
import { connect, type Client } from '../../client/connect.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Remediation } from '../../model/remediation.ts';
import { at, runningVm, vmId } from '../../sim/simulated-activity.ts';
import { SimulatedPlatform, type SimulatedVm } from '../../sim/simulated-platform.ts';
import { makeSimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

suite('acting through a remote platform', () => {
  let trial: Trial;
  let client: Client;
  let west: SimulatedPlatform;
  let vm: SimulatedVm;
  let files: ReturnType<typeof simulatedPlatforms>;

  beforeEach(async () => {
    west = new SimulatedPlatform();
    vm = west.add('vm-1', vmId(1), 'web1', 2);
    west.add('vm-2', vmId(2), 'bystander');
    files = simulatedPlatforms(new Map([['west', west]]));
    trial = await startTrial(files.configuration, files.parts);
    client = connect({ ...trial.manager, by: 'ann' });
    await until('the VMs are known', async () => must(await client.listVms()).length === 2);
  });
  afterEach(async () => {
    assert.deepEqual(west.vms.get('vm-2')?.effects, [], 'another VM was touched');
    await trial.end();
    files.end();
  });

  const act = async (action: Parameters<Client['actOnVm']>[0]['action'], why?: string): Promise<Remediation> =>
    must(await client.actOnVm({ vm: 'web1', action, ...(why === undefined ? {} : { why }) }));
  const restart = async (): Promise<void> => {
    client = connect({ ...(await trial.restart()), by: 'ann' });
  };
  const up = (): readonly boolean[] => vm.cards.map(({ isUp }) => isUp);
  const health = async () => must(await client.listPlatforms())[0] ?? assert.fail();
  const ended = async (id: string, states: readonly PlanRun['state'][]): Promise<PlanRun> => {
    await until(`plan ${id} is ${states.join(' or ')}`, async () =>
      states.includes(must(await client.getPlan({ plan: id })).state),
    );
    return must(await client.getPlan({ plan: id }));
  };

  test('a preview says who would do it and why, and changes nothing', async () => {
    const { alarm, proposals } = must(await client.previewAct({ vm: 'web1', action: 'quarantine' }));
    assert.equal(alarm, null);
    assert.match(proposals[0]?.decisions[0]?.why ?? '', /asked for; by platform west \(its cards are disconnected\)/);
    const [none] = must(await client.previewAct({ vm: 'web1', action: 'capture' })).proposals;
    assert.equal(none?.plan, null);
    assert.match(none?.decisions[0]?.why ?? '', /platform west: It cannot/);
    assert.deepEqual([vm.effects, must(await client.listPlans()).total], [[], 0]);
  });

  test('a quarantine is put on every card, is written down with its platform, and undoing restores them', async () => {
    const done = await act('quarantine', 'it beacons');
    assert.deepEqual([done.state, done.platform, done.by], ['done', 'west', 'ann']);
    assert.deepEqual(
      [up(), vm.effects],
      [
        [false, false],
        ['cut net0', 'cut net1'],
      ],
    );
    const plan = must(await client.getPlan({ plan: done.plan ?? '' })).plan;
    assert.equal(plan.why, 'it beacons');
    const audit = must(await client.listAudit({ subject: done.id })).items.map(
      ({ verb, outcome }) => `${verb} ${outcome}`,
    );
    assert.deepEqual(audit.toReversed(), [
      'remediation.start begun',
      'remediation.executing done',
      'remediation.done done',
      'remediation.start done',
    ]);
    const [sight] = must(await client.listPlatformVms({ platform: 'west' }));
    assert.match(sight?.measures[0] ?? '', /^quarantine /);
    const covered = await client.actOnVm({ vm: 'web1', action: 'quarantine' });
    assert.ok(!covered.ok && /is in force since/.test(covered.error.message));

    must(await client.undo({ answer: done.plan ?? '' }));
    await ended(done.plan ?? '', ['undone']);
    assert.deepEqual(up(), [true, true]);
    assert.deepEqual(must(await client.listPlatformVms({ platform: 'west' }))[0]?.measures, []);
  });

  test('a link that somebody puts up again is taken down again, counted and audited, also after a restart', async () => {
    await act('quarantine');
    for (const card of vm.cards) card.isUp = true;
    await until('it is put back', () => up().every((isUp) => !isUp));
    await until('it is counted', async () => (await health()).measures.putBack >= 1);
    const audit = must(await client.listAudit()).items;
    assert.ok(audit.some(({ verb, by }) => verb === 'measure.put-back' && by === 'platform west'));
    // An address that changes is no other order.
    vm.addresses = ['10.9.0.99'];
    const before = vm.effects.length;
    await restart();
    await until('it is held', async () => (await health()).measures.wanted === 1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.deepEqual([vm.effects.length, (await health()).measures.putBack], [before, 0]);
    (vm.cards[0] ?? assert.fail()).isUp = true;
    await until('it is put back', () => up().every((isUp) => !isUp));
    vm.cards.push({ id: 'net2', mac: '52:54:00:00:77:02', isUp: true, note: null });
    await until('a card that came later is cut off too', () => up().every((isUp) => !isUp));
  });

  test('a clone of its UUID frees nobody: the quarantine is held and lifted where it was put', async () => {
    const done = await act('quarantine');
    west.add('vm-3', vmId(1), 'clone');
    await until('they are told apart', async () =>
      must(await client.listVms()).some(({ id, state }) => id === vmId(1) && state === 'gone'),
    );
    assert.deepEqual(
      must(await client.listVms()).map(({ name, id, state }) => `${name} ${id} ${state}`),
      [
        `bystander ${vmId(2)} running`,
        'clone name:west/vm-3 running',
        `web1 ${vmId(1)} gone`,
        'web1 name:west/vm-1 running',
      ],
    );
    for (const card of vm.cards) card.isUp = true;
    await until('it is put back', () => up().every((isUp) => !isUp));
    must(await client.undo({ answer: done.plan ?? '' }));
    await ended(done.plan ?? '', ['undone']);
    assert.deepEqual([up(), west.vms.get('vm-3')?.effects], [[true, true], []]);
  });

  test('what cannot be put back is an alarm, once; a platform that is away is none', async () => {
    await act('quarantine');
    west.isAway = true;
    for (const card of vm.cards) card.isUp = true;
    await until('it is away', async () => (await health()).state === 'away');
    assert.equal(must(await client.listAlarms()).total, 0);
    west.fault = 'refuses';
    west.isAway = false;
    await until('it is told', async () => must(await client.listAlarms()).total === 1);
    await until('it is counted', async () => (await health()).measures.notPutBack >= 3);
    const [alarm] = must(await client.listAlarms()).items;
    assert.match(alarm?.title ?? '', /quarantine .* is to be in force through platform west and is not/);
    assert.deepEqual([alarm?.count, alarm?.vm], [1, vmId(1)]);
  });

  test('a lie is unconfirmed, never done, and a person is told', async () => {
    west.fault = 'lies';
    const lied = await act('quarantine');
    assert.equal(lied.state, 'unconfirmed', lied.evidence);
    assert.match(must(await client.listAlarms()).items[0]?.title ?? '', /Nobody can say whether an answer took effect/);
  });

  test('a lost answer is looked for, and a refusal is a failure that leaves nothing', async () => {
    west.fault = 'loses';
    assert.equal((await act('suspend')).state, 'done');
    west.fault = 'refuses';
    const refused = await act('quarantine');
    assert.match(refused.evidence, /The account may not do that/);
    assert.equal(refused.state, 'failed');
    assert.deepEqual([up(), (await health()).measures.wanted], [[true, true], 0]);
    assert.equal(must(await client.listPlatformVms({ platform: 'west' }))[0]?.measures.length, 0);
  });

  test('a VM whose platform is away is not acted on, and that is said', async () => {
    west.isAway = true;
    await until('it is away', async () => (await health()).state === 'away');
    const refused = await client.actOnVm({ vm: 'web1', action: 'suspend' });
    assert.ok(!refused.ok && /Platform west, which has web1, does not answer since/.test(refused.error.message));
    assert.deepEqual(vm.effects, []);
  });

  test('a platform that goes away in between is asked again by the same name', async () => {
    const gate = Promise.withResolvers<void>();
    west.gate = gate.promise;
    const asked = client.actOnVm({ vm: vmId(1), action: 'suspend' });
    await until('a plan is made', async () => must(await client.listPlans()).total === 1);
    west.isAway = true;
    gate.resolve();
    await new Promise((resolve) => setTimeout(resolve, 100));
    west.isAway = false;
    assert.equal(must(await asked).state, 'done');
    assert.deepEqual([vm.effects, must(await client.listRemediations()).total], [['suspend'], 1]);
  });

  for (const [what, isDone] of [
    ['before the platform did it', false],
    ['when the platform had done it', true],
  ] as const)
    test(`a manager that stops in the middle, ${what}, goes on with the same id and does it once`, async () => {
      west.gate = new Promise<void>(() => undefined);
      const asked = client.actOnVm({ vm: 'web1', action: 'power-off', evidence: 'none' }).catch(() => null);
      await until('the step is begun', async () => must(await client.listRemediations()).total === 1);
      const [begun] = must(await client.listRemediations()).items;
      assert.equal(begun?.state, 'executing');
      if (isDone) {
        vm.power = 'off';
        vm.effects.push('power-off');
      }
      await restart();
      await asked;
      assert.notEqual(must(await client.listRemediations()).items[0]?.state, 'done');
      west.gate = Promise.resolve();
      await ended(begun?.plan ?? '', ['done']);
      const { items } = must(await client.listRemediations());
      assert.deepEqual([items.length, items[0]?.id, items[0]?.state], [1, begun?.id, 'done']);
      assert.deepEqual([vm.power, vm.effects], ['off', ['power-off']]);
    });

  test('the sentinel is asked where it is there and its host can, the platform where not; each undoes its own', async () => {
    const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
    must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'web1')] })));
    const detach = trial.manager.attachSentinel(sentinel);
    const [suspend] = must(await client.previewAct({ vm: 'web1', action: 'suspend' })).proposals;
    assert.match(suspend?.decisions[0]?.why ?? '', /by sentinel host1$/);
    const [cut] = must(await client.previewAct({ vm: 'web1', action: 'quarantine' })).proposals;
    const byPlatform = /by platform west \(sentinel host1: offers nothing of the kind; its cards are disconnected\)/;
    assert.match(cut?.decisions[0]?.why ?? '', byPlatform);
    assert.equal((await act('suspend')).platform, undefined);
    assert.equal((await act('quarantine')).platform, 'west');
    assert.deepEqual([sentinel.orders.length, vm.effects.length], [1, 2]);

    detach();
    const snapshot = await act('snapshot');
    assert.deepEqual([snapshot.platform, snapshot.state], ['west', 'done']);
    trial.manager.attachSentinel(sentinel);
    const lifted = must(await client.listPlans()).items.find(({ plan }) => plan.steps[0]?.action === 'quarantine');
    must(await client.undo({ answer: lifted?.plan.id ?? '' }));
    await ended(lifted?.plan.id ?? '', ['undone']);
    assert.deepEqual(up(), [true, true]);
    assert.deepEqual(
      sentinel.orders.map(({ step }) => step.action),
      ['suspend'],
    );
    assert.equal((await act('resume')).platform, undefined);
  });

  test('a measure for a platform that is configured no more is held by nobody, which is told', async () => {
    await act('quarantine');
    files.configuration.platforms.splice(0);
    await restart();
    const [alarm] = must(await client.listAlarms()).items;
    assert.match(alarm?.title ?? '', /through platform west, which is not configured any more/);
  });
});
