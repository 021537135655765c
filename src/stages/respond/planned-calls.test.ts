// Calls in plans: where they stand, that an alarm is told once, that they count as nothing done to a VM, and that nothing waits
// for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, array, constantFrom, property, subarray } from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import type { Finding } from '../../model/finding.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { PlanRun } from '../../model/plan.ts';
import { plannedActions } from '../../model/remediation.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import type { Rule } from '../../model/rule.ts';
import { process } from '../../sim/seen.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { answeredBy } from './in-force.ts';
import type { Ground } from './make-plan.ts';
import { callsForFinding, callsForTampering, plansForFinding } from './plan-by-rules.ts';
import { advance, beginRun, laneOf, type Lane, nextMove, type Outcome } from './plan-run.ts';
import { attemptOf, callStep, measureKey, undoStep } from './steps.ts';

const t0 = Date.parse('2026-11-21T12:00:00.000Z');
const ground: Ground = {
  policy: {},
  abilities: plannedActions
    .filter((action) => action !== 'call')
    .map((action) => ({ action, available: true, why: null })),
  answered: { inForce: [], lifted: [] },
  standing: null,
  recent: [],
  calls: [
    { name: 'desk', canEnd: true },
    { name: 'soc', canEnd: false },
  ],
};

function finding(generation = 3): Finding {
  const activity = process('/bin/sh', ['sh']);
  const deviation = { kind: 'process', vm: activity.vm, at: activity.at, activity, generation, nearest: null } as const;
  return { deviation, risk: 75, severity: 'critical', reasons: [], group: 'g1' };
}

function rule(rest: Partial<Rule>): Rule {
  return { on: 'any', minSeverity: 'serious', action: 'alert', approval: 'automatic', ...rest };
}

function called(rules: readonly Rule[], of = finding(), policy: ResponsePolicy = {}, alarm = 'a1') {
  return callsForFinding(of, rules, { alarm, ground: { ...ground, policy }, nowMs: t0, consent: 'automatic' }).flatMap(
    ({ plan }) => plan ?? [],
  );
}

test('of automatic rules only the calls are the manager’s, as one plan for an alarm, whatever manifest found it', () => {
  const rules = [rule({ action: 'quarantine', also: ['snapshot'], calls: ['soc'] }), rule({ calls: ['desk', 'soc'] })];
  const [plan, ...more] = called(rules);
  assert.ok(plan && more.length === 0);
  assert.deepEqual(
    plan.steps.map(({ action, call, undo, expect }) => [action, call, undo, expect]),
    [
      ['call', 'desk', 'end-call', 'answered'],
      ['call', 'soc', null, 'answered'],
    ],
  );
  assert.deepEqual([plan.consent, plan.attemptsMax, plan.expiresMinutes], ['automatic', 8, null]);
  assert.equal(called(rules, finding(4))[0]?.id, plan.id);
  assert.notEqual(called(rules, finding(), {}, 'a2')[0]?.id, plan.id);
});

test('a call that is asked for by another rule as well is the same step', () => {
  const ids = (rules: readonly Rule[]) =>
    called(rules).flatMap(({ steps }) => steps.map(({ id, call }) => `${call} ${id}`));
  const both = ids([rule({ calls: ['soc'] }), rule({ calls: ['desk'] })]);
  assert.deepEqual(ids([rule({ calls: ['soc'] })]), both.slice(1));
});

test('with consent they stand after isolating and before stopping', () => {
  const rules = [rule({ action: 'suspend', also: ['quarantine', 'snapshot'], calls: ['soc'], approval: 'approval' })];
  const by = { alarm: 'a1', ground, nowMs: t0, consent: 'approval' } as const;
  const [made] = plansForFinding(finding(), rules, by);
  assert.deepEqual(
    made?.plan?.steps.map(({ action }) => action),
    ['quarantine', 'call', 'snapshot', 'suspend'],
  );
});

test('calls neither keep a measure from ending nor make one end', () => {
  const rules = [
    rule({ action: 'quarantine', expiresMinutes: 30, approval: 'approval' }),
    rule({ calls: ['soc'], approval: 'approval' }),
  ];
  const [made] = plansForFinding(finding(), rules, { alarm: 'a1', ground, nowMs: t0, consent: 'approval' });
  assert.equal(made?.plan?.expiresMinutes, 30);
});

test('what is not configured is left out, and said', () => {
  const by = { alarm: 'a1', ground, nowMs: t0, consent: 'automatic' } as const;
  const [made] = callsForFinding(finding(), [rule({ calls: ['gone'] })], by);
  assert.equal(made?.plan, null);
  assert.match(made?.decisions[0]?.why ?? '', /no call gone/);
  const sentinels = plansForFinding(finding(), [rule({ calls: ['soc'] })], { ...by, ground: { ...ground, calls: [] } });
  assert.deepEqual(
    sentinels.flatMap(({ plan }) => plan?.steps ?? []),
    [],
  );
});

test('calls count against no limit and hold for protected VMs; maintenance and dry runs hold for them too', () => {
  const rules = [rule({ calls: ['soc'] })];
  const always = [{ from: '00:00', to: '00:00' }];
  const { vm } = finding().deviation;
  assert.equal(
    called(rules, finding(), { protectedVms: [vm], quiet: always, limits: { service: 1 } })[0]?.consent,
    'automatic',
  );
  assert.equal(called(rules, finding(), { maintenance: always })[0]?.consent, 'approval');
  assert.equal(called(rules, finding(), { dryRun: true })[0]?.dryRun, true);
});

test('tampering is told as findings are', () => {
  const event: GuardEvent = { vm: 'name:x', at: '2026-11-21T12:00:00.000Z', what: 'kernel-tampered', detail: 'd' };
  const by = { alarm: 'a1', ground, nowMs: t0, consent: 'automatic' } as const;
  const [made] = callsForTampering(
    event,
    'critical',
    [rule({ on: 'tampering', action: 'suspend', calls: ['soc'] })],
    by,
  );
  assert.deepEqual(
    made?.plan?.steps.map(({ action, call }) => [action, call]),
    [['call', 'soc']],
  );
});

test('a call that was made is nothing that is in force', () => {
  const step = callStep({ name: 'soc', canEnd: false }, 'name:x', 'w', 's');
  const rest = {
    origin: 'standing-order',
    by: 'rules',
    alarm: null,
    group: null,
    evidence: '',
    endedAt: null,
  } as const;
  const made = { id: 'r', step, state: 'done', startedAt: '2026-11-21T12:00:00.000Z', ...rest } as const;
  assert.deepEqual(answeredBy([made], t0), { inForce: [], lifted: [] });
});

test('attempts have names of their own, and one name outside; what closes has another', () => {
  const step = callStep({ name: 'desk', canEnd: true }, 'name:x', 'w', 's');
  const third = attemptOf(step, 3);
  assert.notEqual(third.id, step.id);
  assert.equal(measureKey(third), step.id);
  const undo = undoStep(third, 'r', 'w');
  assert.deepEqual([undo?.action, undo?.call, undo?.lifts], ['end-call', 'desk', step.id]);
  assert.notEqual(measureKey(undo ?? step), step.id);
});

const calls = (['desk', 'soc'] as const).map((name) => callStep({ name, canEnd: name === 'desk' }, 'name:x', 'w', 's'));

function runOf(...actions: Parameters<typeof planOf>[0]): PlanRun {
  const others = planOf(actions).steps;
  return beginRun(planOf([], { steps: [...others.slice(0, 1), ...calls, ...others.slice(1)], attemptsMax: 2 }), t0);
}

/** Drives one lane until it has nothing more to do; `answer` null = none comes, and nobody waits for it. */
function drive(run: PlanRun, lane: Lane, answer: (what: string) => Outcome | null): { run: PlanRun; taken: string[] } {
  const taken: string[] = [];
  let [now, atMs] = [run, t0];
  for (let moves = 0; moves < 100; moves += 1) {
    const move = nextMove(now, atMs, lane);
    if (move.do === 'rest' && move.untilMs === null) break;
    if (move.do === 'rest') atMs = move.untilMs ?? atMs;
    else if (move.do !== 'time-up') {
      const { index, do: of } = move;
      const step = now.plan.steps[index];
      assert.equal(laneOf(step), lane);
      const what = `${step?.action} ${step?.call ?? ''}`.trim();
      taken.push(what);
      now = advance(now, { kind: 'begun', of, index, remediation: `r${index}`, atMs });
      const outcome = answer(what);
      if (outcome === null) break;
      now = advance(now, { kind: 'ended', of, index, outcome, atMs });
    }
  }
  return { run: now, taken };
}

const done = (): Outcome => ({ state: 'done', evidence: 'e' });

test('whatever becomes of the calls, what acts goes its way, and the other way round', () => {
  const outcomes = constantFrom<Outcome | null>(
    null,
    done(),
    { state: 'failed', evidence: '' },
    { state: 'unconfirmed', evidence: '' },
  );
  const acts = subarray(['quarantine', 'snapshot', 'suspend', 'power-off'] as const, { minLength: 1 });
  holds(
    property(acts, array(outcomes, { minLength: 1, maxLength: 5 }), (actions, answers) => {
      let next = 0;
      const isolated = drive(runOf(...actions), 'act', done).run;
      const half = drive(isolated, 'tell', () => answers[(next += 1) % answers.length] ?? null);
      const told = drive(runOf(...actions), 'tell', () => null).run;
      const acted = drive(told, 'act', done);
      assert.deepEqual(acted.taken, [...actions]);
      assert.ok(
        half.run.steps.every(({ state }, at) => laneOf(half.run.plan.steps[at]) === 'tell' || state === 'done'),
      );
    }),
    { numRuns: counted(200, 5000), seed: seed() },
  );
});

test('they begin when isolating was tried once, and not before', () => {
  const run = runOf('quarantine', 'suspend');
  assert.deepEqual(drive(run, 'tell', done).taken, []);
  const begun = advance(run, { kind: 'begun', of: 'step', index: 0, remediation: 'r', atMs: t0 });
  assert.deepEqual(drive(begun, 'tell', done).taken, []);
  for (const kind of ['ended', 'silent'] as const) {
    const event =
      kind === 'ended'
        ? ({ kind, of: 'step', index: 0, outcome: { state: 'failed', evidence: '' }, atMs: t0 } as const)
        : ({ kind, of: 'step', index: 0, why: 'w', atMs: t0 } as const);
    assert.deepEqual(drive(advance(begun, event), 'tell', done).taken, ['call desk', 'call soc']);
  }
});

test('a receiver that is away holds up no other; what was refused for good is not asked again', () => {
  const run = drive(runOf('suspend'), 'act', done).run;
  const away = drive(run, 'tell', (what) => (what === 'call desk' ? { state: 'failed', evidence: '' } : done()));
  assert.deepEqual([away.taken, away.run.state], [['call desk', 'call soc', 'call desk'], 'failed']);
  const refused = drive(run, 'tell', () => ({ state: 'failed', evidence: '', isFinal: true }));
  assert.deepEqual([refused.taken, refused.run.state], [['call desk', 'call soc'], 'failed']);
});
