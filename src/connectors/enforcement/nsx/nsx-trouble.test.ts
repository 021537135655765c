// NSX when others write at the same time, when it is slow, away, busy, or says what is not so: nothing is called done that is not.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import {
  blockOf,
  cardPort,
  foreignTag,
  must,
  type NsxTrial,
  quarantine,
  startNsxTrial,
  webId,
} from '../../../../lab/nsx-trial.ts';
import type { VmPort } from '../../../model/network-measure.ts';
import { passes, type SimulatedPacket } from '../../../sim/nsx/nsx-packets.ts';
import type { SimulatedVm } from '../../../sim/nsx/nsx-world.ts';
import type { MeasureInForce, MeasureOutcome, NetworkEnforcer } from '../network-enforcer.ts';

const toPeer: SimulatedPacket = { direction: 'OUT', peer: '10.9.0.12', protocol: 'TCP', destinationPort: 443 };
const otherPort: SimulatedPacket = { ...toPeer, destinationPort: 80 };
const never = Number.POSITIVE_INFINITY;
const tagWrite = /^POST .*_tags/;
const policyWrite = /^PUT .*\/security-policies\//;

suite('NSX in trouble, against a simulated manager', () => {
  let trial: NsxTrial;
  let network: NetworkEnforcer;
  /** Another manager's, which does not wait long for what will not come. */
  let hurried: NetworkEnforcer;
  let port: VmPort;

  beforeEach(async () => {
    trial = await startNsxTrial();
    const vm = await trial.web();
    [network, port] = [trial.platform.network(vm), cardPort(vm)];
    hurried = trial.anotherPlatform({ pace: { deadlineMs: 200, readEveryMs: 10 } }).network(vm);
  });

  afterEach(async () => {
    await trial.stop();
  });

  const isCutOff = (): boolean => !passes(trial.nsx.world, webId, toPeer);
  const web = (): SimulatedVm => {
    const vm = trial.nsx.world.vms.get(webId);
    assert.ok(vm !== undefined);
    return vm;
  };
  const apply = async (by = network): Promise<MeasureOutcome> => await by.apply(port, 'r-1', quarantine);
  const held = async (): Promise<MeasureInForce | undefined> => must(await network.inForce(port))[0];
  const foreignTags = () => web().tags.filter(({ scope }) => scope !== 'plumbline');

  test('tags of others survive quarantine and release, those too that are added in between', async () => {
    const added = { scope: 'backup', tag: 'nightly' };
    trial.nsx.faults.beforeWrite = (asked) => {
      if (tagWrite.test(asked)) trial.nsx.world.setTags(web(), [...foreignTags(), added]);
    };
    assert.equal((await apply()).state, 'done');
    assert.deepEqual(foreignTags(), [foreignTag, added]);
    assert.equal(web().tags.length, 3);
    trial.nsx.faults.beforeWrite = null;
    assert.equal((await network.release(port, 'r-1')).state, 'done');
    assert.deepEqual(web().tags, [foreignTag, added]);
    assert.ok(trial.nsx.record.asked.every((asked) => !asked.includes('update_tags')));
  });

  test('a writer who puts back the tags that it read before is noticed, and our tag is put on again', async () => {
    assert.equal((await apply()).state, 'done');
    trial.nsx.world.setTags(web(), [foreignTag]);
    assert.equal((await held())?.missing, 'the VM does not carry its tag');
    const mended = await apply();
    assert.deepEqual([mended.state, mended.changed], ['done', true], mended.evidence);
    assert.ok(isCutOff());
  });

  test('one who writes over our tag each time is given up on, and it is said', async () => {
    const setTags = trial.nsx.world.setTags.bind(trial.nsx.world);
    trial.nsx.world.setTags = (vm) => setTags(vm, [foreignTag]);
    const outcome = await apply(hurried);
    assert.equal(outcome.state, 'unconfirmed');
    assert.match(outcome.evidence, /does not carry its tag/);
    assert.equal(trial.nsx.record.asked.filter((asked) => tagWrite.test(asked)).length, 4);
  });

  test('a revision that is stale is read anew, and a writer who never ends is given up on', async () => {
    assert.equal((await apply()).state, 'done');
    const policy = [...trial.nsx.world.policies.keys()][0] ?? '';
    const writeOver = (): void => {
      const wanted = trial.nsx.world.policies.get(policy)?.wanted ?? {};
      trial.nsx.world.write('policies', policy, { ...wanted, rules: [] });
    };
    writeOver();
    let times = 2;
    trial.nsx.faults.beforeWrite = (asked) => {
      if (policyWrite.test(asked) && (times -= 1) >= 0) writeOver();
    };
    const mended = await apply();
    assert.deepEqual([mended.state, mended.changed], ['done', true], mended.evidence);
    assert.ok(isCutOff());
    times = never;
    writeOver();
    trial.nsx.record.asked.length = 0;
    const lost = await apply();
    assert.ok(lost.state === 'failed' && /modified by somebody else/.test(lost.evidence), lost.evidence);
    assert.equal(trial.nsx.record.asked.filter((asked) => policyWrite.test(asked)).length, 4);
    // What stood there before is left to whoever reads it next.
    assert.equal((await held())?.missing, 'its rules are not those that were ordered');
  });

  const tampering: readonly (readonly [string, (rules: readonly Record<string, unknown>[]) => unknown, RegExp])[] = [
    ['a rule switched off', (rules) => rules.map((rule) => ({ ...rule, disabled: true })), /rules are not those/],
    ['a rule taken out', (rules) => rules.slice(1), /rules are not those/],
    [
      'a rule that allows put in',
      (rules) => [{ ...rules[0], id: 'x', action: 'ALLOW' }, ...rules],
      /rules are not those/,
    ],
    [
      'a rule for some hosts only',
      (rules) => rules.map((rule) => ({ ...rule, source_groups: ['10.9.0.11'] })),
      /rules/,
    ],
    ['another order', (rules) => rules.toReversed().map((rule, i) => ({ ...rule, sequence_number: i })), /rules/],
  ];
  for (const [what, change, missing] of tampering) {
    test(`noticed and put back: ${what}`, async () => {
      assert.equal((await apply()).state, 'done');
      const [id, intent] = [...trial.nsx.world.policies][0] ?? [];
      assert.ok(id !== undefined && intent !== undefined);
      const rules = change(intent.wanted['rules'] as readonly Record<string, unknown>[]) as string[];
      trial.nsx.world.write('policies', id, { ...intent.wanted, rules });
      assert.match((await held())?.missing ?? '', missing);
      assert.equal((await apply()).state, 'done');
      assert.equal((await held())?.missing, null);
      assert.ok(isCutOff());
    });
  }

  test('another policy of the category that allows is not asked before ours', async () => {
    const everywhere = { source_groups: ['ANY'], destination_groups: ['ANY'], services: ['ANY'], scope: ['ANY'] };
    const rules = [{ id: 'all', action: 'ALLOW', ...everywhere }];
    trial.nsx.world.write('policies', 'open', {
      display_name: 'open',
      category: 'Emergency',
      sequence_number: 0,
      rules,
    });
    assert.equal((await apply()).state, 'done');
    assert.ok(isCutOff());
    const own = [...trial.nsx.world.policies.keys()].find((id) => id !== 'open') ?? '';
    const wanted = trial.nsx.world.policies.get(own)?.wanted ?? {};
    trial.nsx.world.write('policies', own, { ...wanted, sequence_number: 9 });
    assert.match((await held())?.missing ?? '', /asks other policies first: open/);
    assert.equal((await apply()).state, 'done');
    assert.ok(isCutOff());
  });

  test('what is not realised is not done, and is once it is', async () => {
    trial.nsx.world.delayMs = never;
    const outcome = await apply(hurried);
    assert.deepEqual([outcome.state, isCutOff()], ['unconfirmed', false]);
    assert.match(outcome.evidence, /200 ms: NSX does not count the VM to its group/);
    trial.nsx.world.delayMs = 5;
    trial.nsx.world.setTags(web(), [...web().tags]);
    for (const intent of [...trial.nsx.world.groups.values(), ...trial.nsx.world.policies.values()]) intent.dueMs = 0;
    const later = await apply();
    assert.deepEqual([later.state, isCutOff()], ['done', true], later.evidence);
  });

  test('a policy that is not realised for a VM that is in its group already is not done', async () => {
    assert.equal((await network.apply(port, 'b-1', blockOf())).state, 'done');
    trial.nsx.world.delayMs = never;
    const outcome = await apply(hurried);
    assert.deepEqual([outcome.state, passes(trial.nsx.world, webId, otherPort)], ['unconfirmed', true]);
    assert.match(outcome.evidence, /its policy is not realised: UNREALIZED, IN_PROGRESS/);
  });

  test('what is not taken away everywhere is not released', async () => {
    assert.equal((await apply()).state, 'done');
    trial.nsx.world.delayMs = never;
    const outcome = await hurried.release(port, 'r-1');
    assert.deepEqual([outcome.state, isCutOff()], ['unconfirmed', true], outcome.evidence);
    assert.match(outcome.evidence, /it is still there/);
  });

  for (const [what, lie] of [
    ['everything', /./],
    ['the policy', policyWrite],
    ['the tag', tagWrite],
    ['the group', /^PUT .*\/groups\//],
  ] as const) {
    test(`a manager that lies about having written ${what} is not believed`, async () => {
      trial.nsx.faults.liesAbout = lie;
      const outcome = await apply(hurried);
      assert.notEqual(outcome.state, 'done', outcome.evidence);
      assert.equal(isCutOff(), false);
    });
  }

  test('a manager that lies about having taken away is not believed', async () => {
    assert.equal((await apply()).state, 'done');
    trial.nsx.faults.liesAbout = /^DELETE/;
    const outcome = await hurried.release(port, 'r-1');
    assert.deepEqual([outcome.state, isCutOff()], ['unconfirmed', true], outcome.evidence);
  });

  for (const lost of [policyWrite, tagWrite, /^PUT .*\/groups\//]) {
    test(`an answer that is lost to ${lost.source} leaves the order to be given again, and twice is once`, async () => {
      trial.nsx.faults.losesAnswers = { of: lost, times: 1 };
      const first = await apply();
      assert.ok(['unconfirmed', 'done'].includes(first.state), first.evidence);
      const second = await apply();
      assert.deepEqual([second.state, isCutOff()], ['done', true], second.evidence);
      assert.equal(trial.nsx.world.policies.size, 1);
    });
  }

  test('a manager that hangs is not waited for, and nothing is called done', async () => {
    const hasty = trial.anotherPlatform({ timeoutMs: 1000 });
    const vm = await trial.web();
    trial.nsx.faults.hangs = policyWrite;
    const outcome = await hasty.network(vm).apply(port, 'r-1', quarantine);
    assert.ok(outcome.state !== 'done' && /did not answer|not seen/.test(outcome.evidence), outcome.evidence);
    assert.equal(isCutOff(), false);
    trial.nsx.faults.hangs = /./;
    const listed = await hasty.listVms();
    assert.ok(!listed.ok && listed.error.kind === 'interrupted');
    trial.nsx.faults.hangs = null;
  });

  test('a manager that is too busy for a moment is asked again', async () => {
    trial.nsx.faults.isBusy = 3;
    assert.equal((await apply()).state, 'done');
  });

  test('a session that ends in the middle is begun anew, and what was asked is done once', async () => {
    trial.nsx.faults.beforeWrite = () => trial.nsx.endSessions();
    const outcome = await apply();
    assert.equal(outcome.state, 'done', outcome.evidence);
    assert.ok(trial.nsx.record.logins >= 3);
    assert.equal(trial.nsx.world.policies.size, 1);
  });

  const obstacles: readonly (readonly [string, () => void, RegExp])[] = [
    ['the firewall is off', () => (trial.nsx.world.isFirewallOn = false), /distributed firewall is switched off/],
    ['the VM is excluded', () => exclude(), /exclusion list, by the group \/infra\/domains\/default\/groups\/exempt/],
    [
      'a card is off NSX',
      () => (web().cards[1] = { ...onlyCard(1), attachment: null }),
      /card 4001 .* would stay open/,
    ],
    [
      'the card is another',
      () => (web().cards[0] = { ...onlyCard(0), mac: '00:50:56:8e:00:77' }),
      /not 00:50:56:8e:00:01/,
    ],
    ['the card is gone', () => web().cards.splice(0, 1), /no network card 4000/],
    ['the VM is gone', () => trial.nsx.world.vms.delete(webId), /knows no VM of that id/],
    ['the VM has all the tags it may have', () => fillTags(), /30 tags at most/],
  ];
  for (const [what, change, words] of obstacles) {
    test(`refused with the reason: ${what}`, async () => {
      change();
      const outcome = await apply();
      assert.ok(outcome.state === 'failed' && words.test(outcome.evidence), `${outcome.state}: ${outcome.evidence}`);
      const left = [...trial.nsx.world.policies.values()].filter(({ isGoing }) => !isGoing);
      assert.deepEqual(left, []);
    });
  }

  test('a VM that is excluded from the firewall later, or gone, is not called quarantined, and can be released', async () => {
    assert.equal((await apply()).state, 'done');
    exclude();
    assert.match((await held())?.missing ?? '', /exclusion list/);
    trial.nsx.world.vms.delete(webId);
    assert.match((await held())?.missing ?? '', /knows no VM/);
    assert.equal((await network.release(port, 'r-1')).state, 'done');
  });

  test('orders on two cards of a VM at once do not take each other away', async () => {
    const vm = await trial.web();
    const other = cardPort(vm, 1);
    assert.equal((await apply()).state, 'done');
    const [released, applied] = await Promise.all([
      network.release(port, 'r-1'),
      trial.platform.network(vm).apply(other, 'b-1', blockOf()),
    ]);
    assert.deepEqual([released.state, applied.state], ['done', 'done'], `${released.evidence} ${applied.evidence}`);
    assert.ok(isCutOff());
  });

  function onlyCard(index: number): SimulatedVm['cards'][number] {
    const card = web().cards[index];
    assert.ok(card !== undefined);
    return card;
  }

  function exclude(): void {
    const condition = { resource_type: 'Condition', member_type: 'VirtualMachine', key: 'Tag', operator: 'EQUALS' };
    trial.nsx.world.write('groups', 'exempt', { expression: [{ ...condition, value: 'tier|web' }] }).dueMs = 0;
    trial.nsx.world.excluded.add('/infra/domains/default/groups/exempt');
  }

  function fillTags(): void {
    web().tags = Array.from({ length: 30 }, (_, index) => ({ scope: 'full', tag: String(index) }));
  }
});

test('an account that may only read is told so, and nothing is left half', async () => {
  const trial = await startNsxTrial('auditor');
  const vm = await trial.web();
  const outcome = await trial.platform.network(vm).apply(cardPort(vm), 'r-1', quarantine);
  assert.ok(outcome.state === 'failed' && outcome.problem.kind === 'refused', outcome.evidence);
  assert.match(outcome.evidence, /does not have permission .* role that docs\/platforms-nsx.md names/);
  assert.deepEqual([trial.nsx.world.groups.size, trial.nsx.world.policies.size], [0, 0]);
  await trial.stop();
});
