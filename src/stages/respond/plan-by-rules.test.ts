// The plans that rules make: which rules act, in which order, what stands in for what cannot be done, and when a person is asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../model/finding.ts';
import type { Ability, Plan } from '../../model/plan.ts';
import { plannedActions } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import { outbound, process } from '../../sim/seen.ts';
import type { Ground, Proposal } from './make-plan.ts';
import { answerInline, groupOfGuard } from './match-rules.ts';
import { plansForFinding, plansForTampering } from './plan-by-rules.ts';
import { inlineStep, stepFor } from './steps.ts';

const nowMs = Date.parse('2026-11-21T12:00:01.000Z');

function finding(rest: Partial<Finding> = {}, generation = 3): Finding {
  const activity = process('/bin/sh', ['sh']);
  return {
    deviation: { kind: 'process', vm: activity.vm, at: activity.at, activity, generation, nearest: null },
    risk: 75,
    severity: 'critical',
    reasons: [
      { factor: 'a', points: 35, text: 'it is new' },
      { factor: 'b', points: 40, text: 'a server runs a shell' },
    ],
    group: 'g1',
    ...rest,
  };
}

function connection(peer: string): Finding {
  const activity = outbound('/bin/sh', peer, 443);
  const { vm, at } = activity;
  return finding({ deviation: { kind: 'outbound', vm, at, activity, generation: 3, nearest: null } });
}

function rule(action: Rule['action'], rest: Partial<Rule> = {}): Rule {
  return { on: 'any', minSeverity: 'serious', action, approval: 'automatic', ...rest };
}

function abilities(...missing: readonly Ability['action'][]): readonly Ability[] {
  return plannedActions.map((action) => {
    const available = !missing.includes(action);
    return { action, available, why: available ? null : `no ${action} here` };
  });
}

const ground: Ground = {
  policy: {},
  abilities: abilities(),
  answered: { inForce: [], lifted: [] },
  standing: null,
  recent: [],
};
const standing = { scope: 'shop', service: 'web', host: 'h1', members: 3, othersRunning: 2 };

function plans(rules: readonly Rule[], of = finding(), on: Partial<Ground> = {}): readonly Proposal[] {
  return (['automatic', 'approval'] as const).flatMap((consent) =>
    plansForFinding(of, rules, { alarm: null, ground: { ...ground, ...on }, nowMs, consent }),
  );
}

function onlyPlan(rules: readonly Rule[], of = finding(), on: Partial<Ground> = {}): Plan {
  const [first, ...more] = plans(rules, of, on);
  assert.ok(first?.plan && more.length === 0, JSON.stringify([first, ...more]));
  return first.plan;
}

function actions(rules: readonly Rule[], of = finding(), on: Partial<Ground> = {}): readonly string[] {
  return plans(rules, of, on).flatMap(({ plan }) => plan?.steps.map((step) => step.action) ?? []);
}

test('a plan isolates, then collects, then stops, in whatever order the rules stand, and an alert is no act', () => {
  const rules = [rule('suspend', { also: ['capture', 'quarantine'] }), rule('alert'), rule('snapshot')];
  const expected = ['quarantine', 'capture', 'snapshot', 'suspend'];
  assert.deepEqual(actions(rules), expected);
  assert.deepEqual(actions(rules.toReversed()), expected);
});

test('a rule acts on its kind and from its severity upwards', () => {
  assert.deepEqual(actions([rule('suspend', { on: 'process' })]), ['suspend']);
  assert.deepEqual(actions([rule('suspend', { on: 'listen' })]), []);
  assert.deepEqual(actions([rule('suspend')], finding({ severity: 'minor' })), []);
  assert.deepEqual(actions([rule('suspend')], finding({ severity: 'serious' })), ['suspend']);
  assert.deepEqual(actions([]), []);
});

test('each thing is planned once, at once or after approval but never both', () => {
  const both = [
    rule('suspend', { approval: 'approval' }),
    rule('suspend', { minSeverity: 'critical' }),
    rule('suspend'),
  ];
  assert.equal(onlyPlan(both).consent, 'automatic');
  const asked = onlyPlan(both.slice(0, 2), finding({ severity: 'serious' }));
  assert.deepEqual([asked.consent, asked.unanswered, asked.deadline], ['approval', 'deny', '2026-11-21T13:00:01.000Z']);
  const patient = rule('suspend', { approval: 'approval', deadlineMinutes: 5, unanswered: 'approve' });
  assert.deepEqual(
    [onlyPlan([patient]).unanswered, onlyPlan([patient]).deadline],
    ['approve', '2026-11-21T12:05:01.000Z'],
  );
  const impatient = rule('snapshot', { approval: 'approval' });
  assert.equal(onlyPlan([patient, impatient]).unanswered, 'deny', 'silence is consent only where every rule says so');
});

test('the same cause gives the same plan and steps, another one another', () => {
  const rules = [rule('snapshot'), rule('suspend')];
  const plan = onlyPlan(rules);
  assert.deepEqual(onlyPlan(rules.toReversed()), plan);
  const others = [finding({ group: 'g2' }), finding({}, 4)].map((other) => onlyPlan(rules, other));
  assert.equal(new Set([plan, ...others].flatMap(({ id, steps }) => [id, ...steps.map((step) => step.id)])).size, 9);
});

test('evidence comes before destruction, unless the rule says no or the host cannot, which is said', () => {
  assert.deepEqual(actions([rule('power-off')]), ['snapshot', 'power-off']);
  const without = onlyPlan([rule('power-off', { evidence: 'none' })]);
  assert.deepEqual(
    without.steps.map(({ action }) => action),
    ['power-off'],
  );
  assert.match(without.decisions.at(-1)?.why ?? '', /rule says that power-off keeps no evidence/);
  const unable = onlyPlan([rule('power-off')], finding(), { abilities: abilities('snapshot', 'memory-dump') });
  assert.deepEqual(
    unable.steps.map(({ action }) => action),
    ['power-off'],
  );
  assert.match(unable.decisions.at(-1)?.why ?? '', /no evidence can be kept.*no snapshot here.*no memory-dump here/);
});

test('evidence is a snapshot or memory in a file, as the rule says, and the other where that cannot be had', () => {
  const memory = rule('power-off', { evidence: 'memory' });
  for (const [rules, missing, steps] of [
    [[memory], [], ['memory-dump', 'power-off']],
    [[memory], ['memory-dump'], ['snapshot', 'power-off']],
    [[memory, rule('power-off')], [], ['memory-dump', 'power-off']],
    [[memory, rule('snapshot')], [], ['memory-dump', 'snapshot', 'power-off']],
    [[rule('power-off')], ['snapshot'], ['memory-dump', 'power-off']],
    [[rule('power-off'), rule('memory-dump')], [], ['memory-dump', 'snapshot', 'power-off']],
    [[rule('memory-dump')], [], ['memory-dump']],
  ] as const) {
    const plan = onlyPlan(rules, finding(), { abilities: abilities(...missing) });
    assert.deepEqual(
      plan.steps.map(({ action }) => action),
      steps,
    );
  }
});

test('what cannot be done is replaced by what reaches the same end, and more than was asked for needs a person', () => {
  const replaced = onlyPlan([rule('quarantine')], finding(), { abilities: abilities('quarantine') });
  assert.deepEqual([replaced.steps[0]?.action, replaced.consent], ['cut-link', 'automatic']);
  assert.deepEqual(replaced.decisions, [
    { action: 'quarantine', verdict: 'replaced', why: 'cut-link instead (quarantine: no quarantine here)' },
  ]);
  const neither = onlyPlan([rule('quarantine')], finding(), { abilities: abilities('quarantine', 'cut-link') });
  assert.deepEqual([neither.steps[0]?.action, neither.steps[0]?.undo], ['suspend', 'resume']);
  const cut = onlyPlan([rule('cut-link'), rule('quarantine'), rule('block-flow')]);
  assert.deepEqual(
    cut.steps.map(({ action, undo }) => [action, undo]),
    [['cut-link', 'restore-link']],
  );
  assert.match(replaced.steps[0]?.why ?? '', /; cut-link instead \(quarantine: no quarantine here\)$/);
  const harsher = onlyPlan([rule('block-flow')], connection('203.0.113.9'), { abilities: abilities('block-flow') });
  assert.deepEqual([harsher.steps[0]?.action, harsher.consent], ['quarantine', 'approval']);
  assert.deepEqual(harsher.objections, ['quarantine does more than block-flow would']);
  const [nothing] = plans([rule('reroute')], finding(), { abilities: [] });
  assert.equal(nothing?.plan, null);
  assert.match(nothing.decisions[0]?.why ?? '', /nothing here can do it: reroute: the service has no inspection point/);
});

test('a blocked flow is the one that deviated, ends by itself, and is none of those the policy protects', () => {
  const { steps } = onlyPlan([rule('block-flow')], connection('203.0.113.9'));
  assert.deepEqual(steps[0]?.measure, {
    kind: 'block-flow',
    peer: '203.0.113.9',
    proto: 'tcp',
    port: 443,
    direction: 'outbound',
    expiresAt: '2026-11-21T13:00:00.000Z',
  });
  for (const policy of [{ protectedPeers: ['203.0.113.0/24'] }, { management: ['203.0.113.9'] }]) {
    const [refused] = plans([rule('block-flow')], connection('203.0.113.9'), { policy });
    assert.equal(refused?.plan, null);
    assert.match(refused.decisions[0]?.why ?? '', /protected by the policy/);
  }
  const spared = onlyPlan([rule('quarantine')], finding(), {
    policy: { management: ['10.0.0.1'], protectedPeers: ['10.0.0.53'] },
  });
  assert.deepEqual(spared.steps[0]?.measure, { kind: 'quarantine', management: ['10.0.0.1', '10.0.0.53'] });
});

test('a protected VM is neither isolated nor stopped, but may be looked at', () => {
  const policy = { protectedVms: ['name:web1'] };
  const rules = [rule('quarantine', { also: ['snapshot', 'suspend'] })];
  assert.deepEqual(actions(rules, finding(), { policy }), ['snapshot']);
});

test('in hours of maintenance everything waits for a person, in quiet hours what disrupts', () => {
  const hours = [{ from: '11:00', to: '13:00' }];
  const asked = (action: Rule['action'], policy: Ground['policy']) => onlyPlan([rule(action)], finding(), { policy });
  assert.equal(asked('snapshot', { maintenance: hours }).consent, 'approval');
  assert.equal(asked('snapshot', { quiet: hours }).consent, 'automatic');
  assert.deepEqual(asked('suspend', { quiet: hours }).objections, ['these are quiet hours']);
  // 2026-11-21 is a Saturday.
  assert.equal(asked('suspend', { quiet: [{ days: [0], from: '11:00', to: '13:00' }] }).consent, 'automatic');
  assert.equal(asked('suspend', { quiet: [{ days: [5], from: '20:00', to: '13:00' }] }).consent, 'approval');
});

test('the last running member of a tier and a VM too many wait for a person, and silence is then no consent', () => {
  const last = onlyPlan([rule('suspend')], finding(), { standing: { ...standing, othersRunning: 0 } });
  assert.match(last.objections[0] ?? '', /last running member of shop\/web/);
  const recent = [1, 2, 3].map((n) => ({ ...standing, vm: `name:other${n}`, atMs: nowMs - 1000 }));
  assert.match(onlyPlan([rule('suspend')], finding(), { standing, recent }).objections[0] ?? '', /3 VMs of shop\/web/);
  assert.equal(onlyPlan([rule('snapshot')], finding(), { standing, recent }).consent, 'automatic');
  const old = recent.map((one) => ({ ...one, atMs: nowMs - 61 * 60_000 }));
  assert.equal(onlyPlan([rule('suspend')], finding(), { standing, recent: old }).consent, 'automatic');
});

test('what is in force is not done again, and a newer word of a person stands against a rule', () => {
  const measure = { kind: 'quarantine' as const, management: [] };
  const inForce = [{ action: 'quarantine', by: 'rule', atMs: 0, key: 'r', measure } as const];
  const [covered] = plans([rule('block-flow')], connection('203.0.113.9'), { answered: { inForce, lifted: [] } });
  assert.deepEqual([covered?.plan, covered?.decisions[0]?.verdict], [null, 'covered']);
  const lifted = [{ action: 'quarantine', atMs: nowMs }] as const;
  assert.deepEqual(actions([rule('quarantine')], finding(), { answered: { inForce: [], lifted } }), []);
  const suspended = [{ action: 'suspend', by: 'person', atMs: 0, key: 'r', measure: null }] as const;
  assert.deepEqual(actions([rule('resume')], finding(), { answered: { inForce: suspended, lifted: [] } }), []);
});

test('a dry run is a plan of its own, and does not stand in the way of what acts', () => {
  const both = plans([rule('suspend'), rule('power-off', { dryRun: true })]);
  assert.deepEqual(
    both.map(({ plan }) => [plan?.dryRun, plan?.steps.at(-1)?.action]),
    [
      [false, 'suspend'],
      [true, 'power-off'],
    ],
  );
  assert.equal(onlyPlan([rule('suspend')], finding(), { policy: { dryRun: true } }).dryRun, true);
});

test('a step says what must be true afterwards and what takes it back', () => {
  const [snapshot, suspend] = onlyPlan([rule('snapshot'), rule('suspend')]).steps;
  assert.match(snapshot?.snapshot ?? '', /^plumbline-[0-9a-f]{12}$/);
  assert.equal(snapshot?.expect, `snapshot ${snapshot?.snapshot} exists`);
  assert.equal(snapshot?.undo, null);
  assert.deepEqual([suspend?.expect, suspend?.undo], ['paused', 'resume']);
  assert.equal(suspend?.why, 'critical process deviation, risk 75: a server runs a shell');
  const resume = stepFor('resume', 'name:web1', 'ada asked', 'seed');
  assert.deepEqual([resume.expect, resume.undo, resume.snapshot], ['running', 'suspend', undefined]);
});

test('an attempt is answered by the surest rule that matches, and no whole VM by an inline one', () => {
  const inline = [rule('hold'), rule('block'), rule('suspend')];
  assert.equal(answerInline(finding(), inline), 'block');
  assert.equal(answerInline(finding(), [...inline, rule('kill')]), 'kill');
  assert.equal(answerInline(finding(), [rule('hold')]), 'hold');
  assert.equal(answerInline(finding({ severity: 'minor' }), inline), null);
  assert.equal(answerInline(finding(), [rule('block', { on: 'listen' }), rule('suspend')]), null);
  assert.deepEqual(actions(inline), ['suspend']);
  assert.deepEqual(actions([rule('block', { also: ['snapshot'] })]), ['snapshot']);
  const step = inlineStep('block', finding());
  assert.deepEqual([step.expect, step.undo], ['refused', null]);
  assert.equal(inlineStep('block', finding()).id, step.id);
});

test('tampering is answered by rules that name it, from their severity upwards', () => {
  const event = { vm: 'v', at: '2026-01-01T00:00:00Z', what: 'kernel-tampered', subject: 'x', detail: 'd' } as const;
  const rules = [rule('suspend', { on: 'tampering' }), rule('snapshot', { on: 'tampering', approval: 'approval' })];
  const answered = (severity: Finding['severity'], consent: Rule['approval'], of: readonly Rule[] = rules) =>
    plansForTampering(event, severity, of, { alarm: null, ground, nowMs, consent }).flatMap(
      ({ plan }) => plan?.steps.map(({ action }) => action) ?? [],
    );
  assert.deepEqual(answered('critical', 'automatic'), ['suspend']);
  assert.deepEqual(answered('critical', 'approval'), ['snapshot']);
  assert.deepEqual(answered('minor', 'automatic'), []);
  assert.deepEqual(answered('critical', 'automatic', [rule('suspend')]), [], 'any deviation is no tampering');
  assert.deepEqual(actions([rule('suspend', { on: 'tampering' })]), [], 'and no deviation is');
  const lost = { ...event, what: 'lost-sight' } as const;
  assert.deepEqual(
    plansForTampering(lost, 'critical', rules, { alarm: null, ground, nowMs, consent: 'automatic' }),
    [],
  );
  assert.notEqual(groupOfGuard(event), groupOfGuard({ ...event, subject: 'y' }));
  assert.equal(groupOfGuard({ what: 'lost-sight' }), 'guard:lost-sight');
});
