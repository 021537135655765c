// Plans through the API: shown before they are made, waited for, agreed to, refused, carried out in order, taken back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Rule } from '../../model/rule.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
let groups = 0;

before(async () => {
  trial = await startTrial();
  client = connect({ ...trial.manager, by: 'ann' });
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(sentinel);
  await deliver({ vms: [runningVm(1, 'web1'), runningVm(2, 'web2')] });
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  for (const vm of ['web1', 'web2']) must(await client.addMember({ scope: 'shop', service: 'web', vm }));
  const learned = [observed(started(vmId(1), '/usr/bin/ls', ['ls']))];
  const coverage = [{ vm: vmId(1), observedSeconds: 100, lossSeconds: 0, missed: 0 }];
  await deliver({ observed: [{ vm: vmId(1), items: learned }], coverage });
  must(await client.setMode({ scope: 'shop', mode: 'protect' }));
});
after(async () => await trial.end());

async function deliver(parts: Partial<SentinelBatch>): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

async function setRules(...rules: readonly Partial<Rule>[]): Promise<void> {
  const whole = { on: 'any', minSeverity: 'serious', action: 'suspend', approval: 'approval' } as const;
  must(await client.setRules({ scope: 'shop', service: 'web', rules: rules.map((rule) => ({ ...whole, ...rule })) }));
}

/** Seen now: what was seen before a person's word is answered by that word. */
function seen(argument: string) {
  const seconds = (Date.now() - Date.parse(at(0))) / 1000;
  return findingOf(started(vmId(1), `/tmp/x${groups}`, [argument], seconds), `g${groups}`);
}

/** A new alarm on web1, by its id. */
async function newAlarm(): Promise<string> {
  groups += 1;
  await deliver({ findings: [seen('x')] });
  const { items } = must(await client.listAlarms({ vm: 'web1', status: 'open' }));
  return items.find(({ group }) => group === `g${groups}`)?.id ?? '';
}

async function planOf(alarm: string): Promise<PlanRun> {
  const { items } = must(await client.listPlans({ vm: 'web1' }));
  const run = items.find(({ plan }) => plan.alarm === alarm);
  assert.ok(run, 'no plan waits');
  return run;
}

async function settled(id: string, state: PlanRun['state']): Promise<PlanRun> {
  await until(`plan is ${state}`, async () => must(await client.getPlan({ plan: id })).state === state);
  return must(await client.getPlan({ plan: id }));
}

const ordered = (from: number) => sentinel.orders.slice(from).map(({ step }) => step.action);

test('what a rule asks consent for waits as a plan; agreed to, it is carried out in order and taken back in reverse', async () => {
  await setRules({ action: 'suspend', also: ['snapshot'] });
  const alarm = await newAlarm();
  const waiting = await planOf(alarm);
  assert.deepEqual(
    [waiting.state, waiting.plan.steps.map(({ action }) => action)],
    ['waiting-approval', ['snapshot', 'suspend']],
  );
  assert.equal(must(await client.status()).pendingAnswers, 1);
  const before = sentinel.orders.length;
  assert.equal(must(await client.approvePlan({ plan: waiting.plan.id })).decidedBy, 'ann');
  const done = await settled(waiting.plan.id, 'done');
  assert.deepEqual(ordered(before), ['snapshot', 'suspend']);
  const detail = must(await client.getAlarm({ alarm }));
  assert.deepEqual(
    detail.remediations.map(({ plan, state }) => [plan, state]),
    [
      [done.plan.id, 'done'],
      [done.plan.id, 'done'],
    ],
  );
  must(await client.undo({ answer: done.plan.id }));
  const undone = await settled(done.plan.id, 'undone');
  assert.deepEqual([undone.undoneBy, undone.note], ['ann', 'not taken back: snapshot']);
  assert.deepEqual(ordered(before), ['snapshot', 'suspend', 'resume']);
  const verbs = must(await client.listAudit({ subject: done.plan.id })).items.map(({ verb }) => verb);
  for (const verb of ['plan.make', 'plan.approve', 'plan.executing', 'plan.done', 'plan.undo', 'plan.undone'])
    assert.ok(verbs.includes(verb), `${verb} is not in the audit log: ${verbs.join(', ')}`);
});

test('a plan that was refused, or whose alarm was closed, is never carried out, and is not asked about again', async () => {
  await setRules({ action: 'suspend' });
  const before = sentinel.orders.length;
  const alarm = await newAlarm();
  const { plan } = await planOf(alarm);
  assert.equal(must(await client.denyPlan({ plan: plan.id })).state, 'denied');
  assert.ok(!(await client.approvePlan({ plan: plan.id })).ok);
  await deliver({ findings: [seen('y')] });
  assert.equal((await planOf(alarm)).state, 'denied');
  const other = await newAlarm();
  must(await client.closeAlarm({ alarm: other }));
  assert.equal((await planOf(other)).state, 'denied');
  assert.deepEqual(ordered(before), []);
});

test('what its host cannot do is replaced before anybody is asked', async () => {
  await setRules({ action: 'quarantine' });
  const { plan } = await planOf(await newAlarm());
  assert.deepEqual(
    [plan.steps.map(({ action }) => action), plan.decisions.map(({ verdict }) => verdict)],
    [['suspend'], ['replaced']],
  );
  must(await client.denyPlan({ plan: plan.id }));
});

test('a preview says what would be done and why, and changes nothing', async () => {
  await setRules({ action: 'quarantine', approval: 'automatic' }, { action: 'reroute' });
  const alarm = await newAlarm();
  const plans = must(await client.listPlans()).total;
  const { proposals } = must(await client.previewPlan({ alarm }));
  assert.deepEqual(
    proposals.map(({ plan, decisions }) => [plan?.steps.map(({ action }) => action) ?? null, decisions[0]?.verdict]),
    [
      [['suspend'], 'replaced'],
      [null, 'left-out'],
    ],
  );
  const named = must(await client.previewPlan({ alarm, action: 'power-off' }));
  assert.deepEqual(
    named.proposals[0]?.plan?.steps.map(({ action }) => action),
    ['snapshot', 'power-off'],
  );
  assert.equal(must(await client.listPlans()).total, plans);
  const refused = await client.respondToAlarm({ alarm, action: 'quarantine' });
  assert.ok(!refused.ok && /nothing here can do it: quarantine/.test(refused.error.message), JSON.stringify(refused));
});

test('one remediation is taken back by a plan of its own; what cannot be is refused', async () => {
  await setRules();
  const alarm = await newAlarm();
  const suspended = must(await client.respondToAlarm({ alarm, action: 'suspend' }));
  const before = sentinel.orders.length;
  const back = must(await client.undo({ answer: suspended.id }));
  await settled(back.plan.id, 'done');
  assert.deepEqual(ordered(before), ['resume']);
  const kept = must(await client.respondToAlarm({ alarm, action: 'snapshot' }));
  const refused = await client.undo({ answer: kept.id });
  assert.ok(!refused.ok && refused.error.kind === 'refused');
  assert.ok(!(await client.undo({ answer: 'nothing' })).ok);
});

test('what a sentinel held back because it would have gone too far waits here, and a dry run for nobody', async () => {
  await setRules({ approval: 'automatic' });
  const step = { vm: vmId(2), action: 'suspend', why: 'w', expect: 'paused', undo: 'resume' } as const;
  const held = (id: string, evidence: string) => ({
    id,
    step: { ...step, id },
    origin: 'standing-order' as const,
    by: 'sentinel',
    alarm: null,
    group: 'g',
    state: 'planned' as const,
    evidence,
    startedAt: at(1),
    endedAt: null,
  });
  const last = 'waits for a person: it is the last running member';
  await deliver({ remediations: [held('held', last), held('dry', 'dry run: planned, not done')] });
  const { items } = must(await client.listPlans({ vm: 'web2' }));
  assert.deepEqual(
    items.map(({ plan, state }) => [plan.id, state, plan.objections]),
    [['held', 'waiting-approval', [last]]],
  );
  const before = sentinel.orders.length;
  must(await client.approvePlan({ plan: 'held' }));
  await settled('held', 'done');
  assert.deepEqual(ordered(before), ['suspend']);
});

test('how far answers may go is part of a service, travels in its manifests, and holds what rules ask for', async () => {
  const response = { protectedVms: [vmId(1)], limits: { service: 1 } };
  const changed = must(await client.changeService({ scope: 'shop', service: 'web', response }));
  assert.deepEqual(changed.response, response);
  await until('the manifest carries it', () => sentinel.manifests.get(vmId(1))?.response?.limits?.service === 1);
  await setRules({ action: 'suspend' });
  const alarm = await newAlarm();
  assert.equal(
    must(await client.listPlans()).items.find(({ plan }) => plan.alarm === alarm),
    undefined,
  );
  const [shown] = must(await client.previewPlan({ alarm })).proposals;
  assert.match(shown?.decisions[0]?.why ?? '', /policy protects this VM/);
});
