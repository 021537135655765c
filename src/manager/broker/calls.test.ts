// Calls of rules and people, from the finding to a real receiver: once for an alarm, told what happened, tried again, closed
// when the plan is taken back, and never in the way of what protects.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import { CallFacts } from '../../model/call-facts.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Rule } from '../../model/rule.ts';
import { findFaults } from '../../model/shape-faults.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';

interface Heard {
  readonly method: string;
  readonly url: string;
  readonly key: string | undefined;
  readonly body: string;
}

const directory = mkdtempSync(join(tmpdir(), 'plumbline-calls-'));
const secretFile = join(directory, 'secret');
const heard: Heard[] = [];
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const well: Answer = (_, response) => void response.writeHead(201).end('{"key":"SEC-1"}');
let answer = well;
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => {
    const { method = '', url = '' } = request;
    heard.push({ method, url, key: request.headers['idempotency-key']?.toString(), body });
    answer(request, response);
  });
});

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
let groups = 0;

before(async () => {
  writeFileSync(secretFile, 'k'.repeat(32));
  chmodSync(secretFile, 0o600);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = {
    method: 'PUT',
    url: `${base}/tickets/{key}/close`,
    body: { state: 'closed', ticket: '{{key}}' },
  } as const;
  trial = await startTrial({
    console: 'https://plumbline.example',
    calls: {
      hook: { webhook: { url: `${base}/hook`, secretFile, timeoutMs: 60_000 } },
      hasty: { webhook: { url: `${base}/hasty`, secretFile, timeoutMs: 500 } },
      desk: { ticket: { url: `${base}/tickets`, body: { about: '{{alarm.title}}' }, key: '/key', close } },
    },
  });
  client = connect({ ...trial.manager, by: 'ann' });
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(sentinel);
  await deliver({ vms: [runningVm(1, 'web1')] });
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  must(await client.addMember({ scope: 'shop', service: 'web', vm: 'web1' }));
  const learned = [observed(started(vmId(1), '/usr/bin/ls', ['ls']))];
  const coverage = [{ vm: vmId(1), observedSeconds: 100, lossSeconds: 0, missed: 0 }];
  await deliver({ observed: [{ vm: vmId(1), items: learned }], coverage });
  must(await client.setMode({ scope: 'shop', mode: 'protect' }));
});
beforeEach(() => {
  heard.length = 0;
  answer = well;
});
after(async () => {
  await trial.end();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function deliver(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

async function setRules(...rules: readonly Partial<Rule>[]): Promise<void> {
  const whole = { on: 'any', minSeverity: 'serious', action: 'alert', approval: 'automatic' } as const;
  must(await client.setRules({ scope: 'shop', service: 'web', rules: rules.map((rule) => ({ ...whole, ...rule })) }));
}

async function find(argument = 'x'): Promise<string> {
  const seconds = (Date.now() - Date.parse(at(0))) / 1000;
  await deliver({ findings: [findingOf(started(vmId(1), `/tmp/x${groups}`, [argument], seconds), `c${groups}`)] });
  const { items } = must(await client.listAlarms({ vm: 'web1', status: 'open' }));
  return items.find(({ group }) => group === `c${groups}`)?.id ?? '';
}

async function newAlarm(): Promise<string> {
  groups += 1;
  return await find();
}

async function plansOf(alarm: string): Promise<PlanRun[]> {
  return must(await client.listPlans({ vm: 'web1' })).items.filter(({ plan }) => plan.alarm === alarm);
}

async function settled(alarm: string, state: PlanRun['state']): Promise<PlanRun> {
  const last = async () => (await plansOf(alarm))[0];
  await until(`a plan of ${alarm} is ${state}`, async () => (await last())?.state === state);
  const run = await last();
  assert.ok(run);
  return run;
}

test('an automatic rule calls once for an alarm, however often it is found, and says what the schema says', async () => {
  await setRules({ calls: ['hook'] });
  const alarm = await newAlarm();
  const { plan, steps } = await settled(alarm, 'done');
  for (const argument of ['y', 'z']) await find(argument);
  assert.deepEqual([heard.length, (await plansOf(alarm)).length], [1, 1]);
  const [said] = heard;
  assert.equal(said?.key, plan.steps[0]?.id);
  const facts = JSON.parse(said?.body ?? '') as CallFacts;
  assert.deepEqual(findFaults(CallFacts, facts), []);
  assert.deepEqual(
    [facts.call, facts.id, facts.vm.name, facts.vm.scope, facts.alarm?.id, facts.alarm?.activity?.executable],
    ['hook', said?.key, 'web1', 'shop', alarm, `/tmp/x${groups}`],
  );
  assert.equal(facts.console, `https://plumbline.example/#alarm=${alarm}`);
  assert.match(steps[0]?.evidence ?? '', /answered HTTP 201/);
  const { remediations } = must(await client.getAlarm({ alarm }));
  assert.deepEqual(
    remediations.map(({ step, origin, state, by }) => [step.action, step.call, origin, state, by]),
    [['call', 'hook', 'standing-order', 'done', 'rules']],
  );
});

test('the sentinel is given no calls', async () => {
  await setRules({ action: 'suspend', calls: ['hook'] });
  const { manifest } = must(await client.getManifest({ vm: 'web1' }));
  assert.deepEqual(manifest.orders, [{ on: 'any', minSeverity: 'serious', action: 'suspend', approval: 'automatic' }]);
});

test('a dry run calls nobody', async () => {
  await setRules({ calls: ['hook'], dryRun: true });
  await settled(await newAlarm(), 'dry-run');
  assert.deepEqual(heard, []);
});

test('a rule that asks for consent calls when it was given, after isolating, and a call that hangs holds up nothing', async () => {
  answer = () => undefined;
  await setRules({ action: 'suspend', approval: 'approval', calls: ['hasty'] });
  const alarm = await newAlarm();
  const waiting = await settled(alarm, 'waiting-approval');
  assert.deepEqual([waiting.plan.steps.map(({ action }) => action), heard.length], [['call', 'suspend'], 0]);
  const before = sentinel.orders.length;
  must(await client.approvePlan({ plan: waiting.plan.id }));
  await until('the VM is suspended, and somebody called', () => sentinel.orders.length > before && heard.length > 0);
  const during = must(await client.getPlan({ plan: waiting.plan.id }));
  assert.notEqual(during.steps[0]?.state, 'done', 'the call was waited for');
  answer = well;
  const done = await settled(alarm, 'done');
  assert.deepEqual([...new Set(heard.map(({ key }) => key))], [done.plan.steps[0]?.id]);
  assert.ok(heard.length >= 2);
});

test('a server in trouble is asked again by the same name; one that refuses is not', async () => {
  await setRules({ calls: ['hook'] });
  answer = (_, response) => void response.writeHead(heard.length === 1 ? 503 : 200).end();
  await settled(await newAlarm(), 'done');
  assert.deepEqual([heard.length, new Set(heard.map(({ key }) => key)).size], [2, 1]);
  heard.length = 0;
  answer = (_, response) => void response.writeHead(422).end('no such project');
  const refused = await settled(await newAlarm(), 'failed');
  assert.equal(heard.length, 1);
  assert.match(refused.steps[0]?.evidence ?? '', /HTTP 422: no such project/);
});

test('taking a plan back closes its ticket, and keeps what cannot be taken back', async () => {
  await setRules({ calls: ['desk', 'hook'] });
  const alarm = await newAlarm();
  const { plan } = await settled(alarm, 'done');
  assert.deepEqual(
    plan.steps.map(({ call, undo }) => [call, undo]),
    [
      ['desk', 'end-call'],
      ['hook', null],
    ],
  );
  const { remediations } = must(await client.getAlarm({ alarm }));
  assert.equal(remediations.find(({ step }) => step.call === 'desk')?.result, 'SEC-1');
  heard.length = 0;
  must(await client.undo({ answer: plan.id }));
  const undone = await settled(alarm, 'undone');
  assert.equal(undone.note, 'not taken back: call');
  assert.deepEqual(
    heard.map(({ method, url, body }) => [method, url, body]),
    [['PUT', '/tickets/SEC-1/close', '{"state":"closed","ticket":"SEC-1"}']],
  );
});

test('a person has something called about an alarm, and again when asked again', async () => {
  await setRules();
  const alarm = await newAlarm();
  assert.deepEqual(heard, []);
  const preview = must(await client.previewPlan({ alarm, action: 'call', call: 'hook' }));
  assert.deepEqual(
    preview.proposals.map(({ plan }) => plan?.steps.map(({ action, call }) => [action, call])),
    [[['call', 'hook']]],
  );
  assert.deepEqual(heard, []);
  for (const times of [1, 2]) {
    const said = must(await client.respondToAlarm({ alarm, action: 'call', call: 'hook' }));
    assert.deepEqual([said.state, said.by, said.origin, heard.length], ['done', 'ann', 'person', times]);
  }
  const unnamed = await client.respondToAlarm({ alarm, action: 'call' });
  assert.ok(!unnamed.ok && /belong together/.test(unnamed.error.message));
  const unknown = await client.respondToAlarm({ alarm, action: 'call', call: 'nobody' });
  assert.ok(!unknown.ok && /no call nobody is in/.test(unknown.error.message), JSON.stringify(unknown));
});

test('a rule that names what is not configured is refused, by its place, and changes nothing', async () => {
  await setRules({ calls: ['hook'] });
  const bad: Rule = { on: 'any', minSeverity: 'serious', action: 'alert', approval: 'automatic', calls: ['hok'] };
  const set = await client.setRules({ scope: 'shop', service: 'web', rules: [bad] });
  assert.ok(!set.ok);
  assert.equal(set.error.message, 'Rule 1 of shop/web names the call hok, which is not configured.');
  const declaration = { scopes: [{ name: 'shop', services: [{ name: 'web', rules: [bad] }] }] };
  const applied = await client.apply({ declaration });
  assert.ok(!applied.ok && /names the call hok/.test(applied.error.message));
  const { services } = must(await client.getScope({ scope: 'shop' }));
  assert.deepEqual(services[0]?.rules[0]?.calls, ['hook']);
});

test('what is configured is listed without its secrets', async () => {
  const calls = must(await client.listCalls());
  assert.deepEqual(
    calls.map(({ name, kind, canEnd, obstacle }) => [name, kind, canEnd, obstacle]),
    [
      ['hook', 'webhook', false, null],
      ['hasty', 'webhook', false, null],
      ['desk', 'ticket', true, null],
    ],
  );
  assert.doesNotMatch(JSON.stringify(calls), /kkkk/);
});

test('a manager that stops in the middle of a call leaves it to the next one, which asks by the same name', async () => {
  answer = () => undefined;
  await setRules({ calls: ['hook'] });
  const alarm = await newAlarm();
  await until('it was called', () => heard.length === 1);
  const restarting = trial.restart();
  answer = well;
  client = connect({ ...(await restarting), by: 'ann' });
  const { plan, steps } = await settled(alarm, 'done');
  assert.deepEqual([heard.length, new Set(heard.map(({ key }) => key)).size], [2, 1]);
  assert.deepEqual([steps[0]?.attempts, steps[0]?.remediation], [1, plan.steps[0]?.id]);
  const { remediations } = must(await client.getAlarm({ alarm }));
  assert.deepEqual(
    remediations.map(({ state }) => state),
    ['done'],
  );
});
