// A reroute by NSX's service insertion against a simulated manager, by where its packets are then led: once, for this VM alone, read back
// from what is realised, put back, released, and refused with the reason where it cannot be.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import {
  cardPort,
  foreignTag,
  must,
  type NsxTrial,
  otherId,
  quarantine,
  startNsxTrial,
  webId,
} from '../../../../lab/nsx-trial.ts';
import type { Reroute, VmPort } from '../../../model/network-measure.ts';
import { ledThrough, type SimulatedPacket } from '../../../sim/nsx/nsx-packets.ts';
import type { MeasureInForce, MeasureOutcome, NetworkEnforcer } from '../network-enforcer.ts';

const chain = '/infra/service-chains/partner-ids';
const inspection = { ids: chain, gone: '/infra/service-chains/gone', other: '/infra/service-chains/other' };
const reroute: Reroute = { kind: 'reroute', through: 'ids' };
const out: SimulatedPacket = { direction: 'OUT', peer: '10.9.0.12', protocol: 'TCP', destinationPort: 443 };
const back: SimulatedPacket = { direction: 'IN', peer: '10.9.0.12', protocol: 'TCP', sourcePort: 443 };
const policyWrite = /^PUT .*\/redirection-policies\//;
const never = Number.POSITIVE_INFINITY;
const hurry = { pace: { deadlineMs: 200, readEveryMs: 10 } };

suite('a reroute through NSX', () => {
  let trial: NsxTrial;
  let network: NetworkEnforcer;
  let port: VmPort;

  beforeEach(async () => {
    trial = await startNsxTrial('security_engineer', { inspection });
    trial.nsx.world.chains.set(chain, { failure_policy: 'BLOCK' });
    trial.nsx.world.chains.set(inspection.other, { failure_policy: 'ALLOW' });
    const vm = await trial.web();
    [network, port] = [trial.platform.network(vm), cardPort(vm)];
  });

  afterEach(async () => {
    await trial.stop();
  });

  const led = (packet: SimulatedPacket, vm = webId): string | null => ledThrough(trial.nsx.world, vm, packet);
  const apply = async (by = network, measure = reroute): Promise<MeasureOutcome> =>
    await by.apply(port, 'r-1', measure);
  const held = async (): Promise<MeasureInForce | undefined> => must(await network.inForce(port))[0];
  const hurried = async (): Promise<NetworkEnforcer> => trial.anotherPlatform(hurry).network(await trial.web());
  const policyOf = (): readonly [string, Record<string, unknown>] => {
    const [id, intent] = [...trial.nsx.world.redirections][0] ?? [];
    assert.ok(id !== undefined && intent !== undefined);
    return [id, intent.wanted];
  };
  /** As somebody else would who may write there. */
  const write = (id: string, wanted: Record<string, unknown>): void =>
    void trial.nsx.world.write('redirections', id, wanted as Record<string, string>);
  const assertNothingLeft = (): void => {
    const { world } = trial.nsx;
    world.settle();
    const left = [world.redirections, world.policies, world.groups].flatMap((all) => [...all.values()]);
    assert.deepEqual(
      left.filter(({ isGoing }) => !isGoing),
      [],
    );
    assert.deepEqual(world.vms.get(webId)?.tags, [foreignTag]);
  };

  test('it leads both ways through the chain, once, for this VM alone, and is released', async () => {
    const able = await network.capabilities(port);
    assert.ok(able.some(({ measure, available }) => measure === 'reroute' && available));
    const applied = await apply();
    done(applied, true);
    assert.match(applied.evidence, /leads all cards of the VM through .*partner-ids; NSX drops its packets while/);
    assert.deepEqual([led(out), led(back)], [chain, chain]);
    // At the other side's card the same packets are not led there once more.
    const fromWeb: SimulatedPacket = { direction: 'IN', peer: '10.9.0.11', protocol: 'TCP' };
    assert.deepEqual([led(out, otherId), led(fromWeb, otherId)], [null, null]);
    done(await apply(), false);
    assert.deepEqual(
      must(await network.inForce(port)).map(({ id, kind, missing }) => [id, kind, missing]),
      [['r-1', 'reroute', null]],
    );
    assert.equal((await network.apply(port, 'r-2', { kind: 'reroute', through: 'other' })).state, 'failed');
    done(await network.release(port, 'r-1'), true);
    assert.deepEqual([led(out), led(back)], [null, null]);
    done(await network.release(port, 'r-1'), false);
    assertNothingLeft();
  });

  test('a chain that lets packets by while its service is down is said to', async () => {
    const applied = await apply(network, { kind: 'reroute', through: 'other' });
    assert.match(applied.evidence, /lets its packets pass by while the service is down/);
  });

  test('a manager that was started anew, with no chain configured any more, finds it and releases it', async () => {
    done(await apply(), true);
    const later = trial.anotherPlatform({ inspection: {} }).network(await trial.web());
    const [found] = must(await later.inForce(port));
    assert.deepEqual([found?.id, found?.kind, found?.missing], ['r-1', 'reroute', null]);
    done(await later.release(port, 'r-1'), true);
    assertNothingLeft();
  });

  test('beside a quarantine, either is released without the other', async () => {
    done(await apply(), true);
    done(await network.apply(port, 'q-1', quarantine), true);
    done(await network.release(port, 'r-1'), true);
    assert.equal(led(out), null);
    assert.deepEqual(
      must(await network.inForce(port)).map(({ id, missing }) => [id, missing]),
      [['q-1', null]],
    );
    const refused = await apply();
    assert.ok(refused.state === 'failed' && /quarantine q-1 is in force/.test(refused.evidence), refused.evidence);
    done(await network.release(port, 'q-1'), true);
    assertNothingLeft();
  });

  test('two cards of a VM are led the same way, or the second is refused', async () => {
    const second = cardPort(await trial.web(), 1);
    done(await apply(), true);
    const other = await network.apply(second, 'r-2', { kind: 'reroute', through: 'other' });
    assert.ok(other.state === 'failed' && /for another card of the VM: r-1/.test(other.evidence), other.evidence);
    done(await network.apply(second, 'r-1', reroute), true);
    done(await network.release(port, 'r-1'), true);
    assert.equal(led(out), chain);
    done(await network.release(second, 'r-1'), true);
    assertNothingLeft();
  });

  const tampering: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['another chain', { redirect_to: [inspection.other] }, /where they lead/],
    ['no rules', { rules: [] }, /its rules, or where they lead/],
    ['connections looked at otherwise', { stateful: false }, /looks at connections otherwise/],
    ['a place of its own', { scope: ['/infra/tier-1s/a'] }, /applied to something else/],
  ];
  for (const [what, change, missing] of tampering) {
    test(`noticed and put back: ${what}`, async () => {
      done(await apply(), true);
      const [id, wanted] = policyOf();
      write(id, { ...wanted, ...change });
      assert.match((await held())?.missing ?? '', missing);
      done(await apply(), true);
      assert.equal((await held())?.missing, null);
      assert.equal(led(out), chain);
    });
  }

  test('a chain that is gone, and a VM that is excluded later, are no reroute any more', async () => {
    done(await apply(), true);
    trial.nsx.world.chains.delete(chain);
    assert.match((await held())?.missing ?? '', /no service chain .*partner-ids any more/);
    trial.nsx.world.chains.set(chain, {});
    exclude();
    assert.match((await held())?.missing ?? '', /service insertion's exclusion list/);
    assert.equal(led(out), null);
    done(await network.release(port, 'r-1'), true);
  });

  test('no reroute where a policy of somebody else may be asked first, nor is one called whole behind it', async () => {
    const rule = { id: 'spare', action: 'DO_NOT_REDIRECT', source_groups: ['ANY'], destination_groups: ['ANY'] };
    const theirs = { display_name: 'spare all', redirect_to: [chain], rules: [{ ...rule, services: ['ANY'] }] };
    write('spare', { ...theirs, sequence_number: 0 });
    const refused = await apply();
    assert.ok(
      refused.state === 'failed' && /may ask other .* first: spare all/.test(refused.evidence),
      refused.evidence,
    );
    write('spare', { ...theirs, sequence_number: 1 });
    done(await apply(), true);
    assert.equal(led(out), chain);
    write('spare', { ...theirs, sequence_number: 0 });
    assert.match((await held())?.missing ?? '', /asks other policies first: spare all/);
    write('spare', { ...theirs, sequence_number: 1 });
    const id = [...trial.nsx.world.redirections.keys()].find((each) => each !== 'spare') ?? '';
    const wanted = trial.nsx.world.redirections.get(id)?.wanted ?? {};
    write(id, { ...wanted, sequence_number: 4 });
    assert.match((await held())?.missing ?? '', /moved behind others/);
    done(await apply(), true);
    assert.equal(led(out), chain);
  });

  test('what is not realised is not done, nor what is not taken away everywhere released', async () => {
    done(await network.apply(port, 'b-1', { ...block }), true);
    trial.nsx.world.delayMs = never;
    const slow = await hurried();
    const refused = await slow.apply(port, 'r-1', reroute);
    assert.ok(refused.state === 'failed' && /b-1 is in force/.test(refused.evidence), refused.evidence);
    trial.nsx.world.delayMs = 5;
    done(await network.release(port, 'b-1'), true);
    done(await apply(), true);
    trial.nsx.world.delayMs = never;
    const [id, wanted] = policyOf();
    write(id, wanted);
    assert.match((await held())?.missing ?? '', /its policy is not realised: UNREALIZED, IN_PROGRESS/);
    const released = await slow.release(port, 'r-1');
    assert.deepEqual([released.state, led(out)], ['unconfirmed', chain], released.evidence);
  });

  for (const [what, lie] of [
    ['the policy', policyWrite],
    ['everything', /./],
  ] as const) {
    test(`a manager that lies about having written ${what} is not believed`, async () => {
      trial.nsx.faults.liesAbout = lie;
      const outcome = await apply(await hurried());
      assert.notEqual(outcome.state, 'done', outcome.evidence);
      assert.equal(led(out), null);
    });
  }

  test('a manager that lies about having taken away is not believed', async () => {
    done(await apply(), true);
    trial.nsx.faults.liesAbout = /^DELETE/;
    const outcome = await (await hurried()).release(port, 'r-1');
    assert.deepEqual([outcome.state, led(out)], ['unconfirmed', chain], outcome.evidence);
  });

  test('an answer that is lost leaves the order to be given again, and twice is once', async () => {
    trial.nsx.faults.losesAnswers = { of: policyWrite, times: 1 };
    assert.notEqual((await apply()).state, 'failed');
    assert.equal((await apply()).state, 'done');
    assert.deepEqual([trial.nsx.world.redirections.size, led(out)], [1, chain]);
  });

  test('a stale revision is read anew', async () => {
    done(await apply(), true);
    const [id, wanted] = policyOf();
    const writeOver = (): void => write(id, { ...wanted, rules: [] });
    writeOver();
    let times = 2;
    trial.nsx.faults.beforeWrite = (asked) => {
      if (policyWrite.test(asked) && (times -= 1) >= 0) writeOver();
    };
    done(await apply(), true);
    assert.equal(led(out), chain);
  });

  const refusals: readonly (readonly [string, string, RegExp])[] = [
    [
      'no such inspection point',
      'br-inspect',
      /configured as the inspection point br-inspect; there is ids, gone, other/,
    ],
    ['no such chain in NSX', 'gone', /NSX has no service chain \/infra\/service-chains\/gone/],
    ['a name that is none', '../x', /is no bridge name/],
  ];
  for (const [what, through, words] of refusals) {
    test(`refused with the reason, and nothing is left: ${what}`, async () => {
      const refused = await apply(network, { kind: 'reroute', through });
      assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
      assert.match(refused.evidence, words);
      assertNothingLeft();
    });
  }

  test('refused with the reason: nothing is redirected of that VM', async () => {
    exclude();
    const refused = await apply();
    assert.ok(refused.state === 'failed' && /exclusion list/.test(refused.evidence), refused.evidence);
  });

  function exclude(): void {
    const condition = { resource_type: 'Condition', member_type: 'VirtualMachine', key: 'Tag', operator: 'EQUALS' };
    trial.nsx.world.write('groups', 'exempt', { expression: [{ ...condition, value: 'tier|web' }] }).dueMs = 0;
    trial.nsx.world.unredirected.add('/infra/domains/default/groups/exempt');
  }
});

test('an account that has the firewall alone quarantines, and is told what it lacks for a reroute', async () => {
  const trial = await startNsxTrial('firewall_only');
  const vm = await trial.web();
  done(await trial.platform.network(vm).apply(cardPort(vm), 'q-1', quarantine), true);
  done(await trial.platform.network(vm).release(cardPort(vm), 'q-1'), true);
  const leading = trial.anotherPlatform({ inspection }).network(vm);
  const refused = await leading.apply(cardPort(vm), 'r-1', reroute);
  assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
  assert.match(refused.evidence, /does not have permission .* role that docs\/platforms-nsx.md names/);
  assert.equal(trial.nsx.world.redirections.size, 0);
  await trial.stop();
});

const block = {
  kind: 'block-flow',
  peer: '10.9.0.12',
  proto: 'tcp',
  port: 443,
  direction: 'outbound',
  expiresAt: '2099-01-01T00:00:00.000Z',
} as const;

function done(outcome: MeasureOutcome, changed: boolean): void {
  assert.deepEqual([outcome.state, outcome.changed], ['done', changed], outcome.evidence);
}
