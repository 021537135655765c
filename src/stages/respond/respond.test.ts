// Answers: which rules act, in which order, and that the same cause gives the same step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../model/finding.ts';
import type { Rule } from '../../model/rule.ts';
import { process } from '../../sim/seen.ts';
import { answerInline, groupOfGuard, inlineStep, stepFor, propose, respond, respondToTampering } from './respond.ts';

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

function rule(action: Rule['action'], rest: Partial<Rule> = {}): Rule {
  return { on: 'any', minSeverity: 'serious', action, approval: 'automatic', ...rest };
}

function actions(rules: readonly Rule[], of: Finding = finding()): readonly string[] {
  return respond(of, rules).map((step) => step.action);
}

test('evidence is kept before anything is stopped, and an alert is no act', () => {
  const planned = actions([rule('power-off'), rule('alert'), rule('suspend'), rule('snapshot')]);
  assert.deepEqual(planned, ['snapshot', 'suspend', 'power-off']);
});

test('a rule acts on its kind and from its severity upwards', () => {
  assert.deepEqual(actions([rule('suspend', { on: 'process' })]), ['suspend']);
  assert.deepEqual(actions([rule('suspend', { on: 'listen' })]), []);
  assert.deepEqual(actions([rule('suspend')], finding({ severity: 'minor' })), []);
  assert.deepEqual(actions([rule('suspend')], finding({ severity: 'serious' })), ['suspend']);
  assert.deepEqual(actions([]), []);
});

test('each action is planned once, at once or after approval but never both', () => {
  const both = [
    rule('suspend', { approval: 'approval' }),
    rule('suspend', { minSeverity: 'critical' }),
    rule('suspend'),
  ];
  assert.deepEqual(actions(both), ['suspend']);
  assert.deepEqual(propose(finding(), both), []);
  const serious = finding({ severity: 'serious' });
  const asking = both.slice(0, 2);
  assert.deepEqual(actions(asking, serious), []);
  assert.deepEqual(
    propose(serious, asking).map((step) => step.action),
    ['suspend'],
  );
});

test('the same cause gives the same step, another one another', () => {
  const rules = [rule('snapshot'), rule('suspend')];
  const steps = respond(finding(), rules);
  assert.deepEqual(respond(finding(), rules.toReversed()), steps);
  const others = [finding({ group: 'g2' }), finding({}, 4)].flatMap((other) => respond(other, rules));
  assert.equal(new Set([...steps, ...others].map((step) => step.id)).size, 6);
});

test('a step says what must be true afterwards and what takes it back', () => {
  const [snapshot, suspend] = respond(finding(), [rule('snapshot'), rule('suspend')]);
  assert.match(snapshot?.snapshot ?? '', /^plumbline-[0-9a-f]{12}$/);
  assert.equal(snapshot?.expect, `snapshot ${snapshot?.snapshot} exists`);
  assert.equal(snapshot?.undo, null);
  assert.deepEqual([suspend?.expect, suspend?.undo], ['paused', 'resume']);
  assert.equal(suspend?.why, 'critical process deviation, risk 75: a server runs a shell');
  const resume = stepFor('resume', 'name:web1', 'ada asked', 'seed');
  assert.deepEqual([resume.expect, resume.undo, resume.snapshot], ['running', 'suspend', undefined]);
  assert.deepEqual(
    [stepFor('power-off', 'v', 'w', 's').expect, stepFor('power-off', 'v', 'w', 's').undo],
    ['gone', null],
  );
});

test('an attempt is answered by the surest rule that matches, and no whole VM by an inline one', () => {
  const inline = [rule('hold'), rule('block'), rule('suspend')];
  assert.equal(answerInline(finding(), inline), 'block');
  assert.equal(answerInline(finding(), [...inline, rule('kill')]), 'kill');
  assert.equal(answerInline(finding(), [rule('hold')]), 'hold');
  assert.equal(answerInline(finding({ severity: 'minor' }), inline), null);
  assert.equal(answerInline(finding(), [rule('block', { on: 'listen' }), rule('suspend')]), null);
  assert.deepEqual(actions(inline), ['suspend']);
  const step = inlineStep('block', finding());
  assert.deepEqual([step.expect, step.undo], ['refused', null]);
  assert.equal(inlineStep('block', finding()).id, step.id);
});

test('tampering is answered by rules that name it, from their severity upwards', () => {
  const event = { vm: 'v', at: '2026-01-01T00:00:00Z', what: 'kernel-tampered', subject: 'x', detail: 'd' } as const;
  const rules = [rule('suspend', { on: 'tampering' }), rule('snapshot', { on: 'tampering', approval: 'approval' })];
  const answered = (severity: Finding['severity'], approval: Rule['approval'], of: readonly Rule[] = rules) =>
    respondToTampering(event, severity, of, approval).map(({ action }) => action);
  assert.deepEqual(answered('critical', 'automatic'), ['suspend']);
  assert.deepEqual(answered('critical', 'approval'), ['snapshot']);
  assert.deepEqual(answered('minor', 'automatic'), []);
  assert.deepEqual(answered('critical', 'automatic', [rule('suspend')]), [], 'any deviation is no tampering');
  assert.deepEqual(actions([rule('suspend', { on: 'tampering' })]), [], 'and no deviation is');
  const lost = { ...event, what: 'lost-sight' } as const;
  assert.deepEqual(respondToTampering(lost, 'critical', rules, 'automatic'), []);
  assert.notEqual(groupOfGuard(event), groupOfGuard({ ...event, subject: 'y' }));
  assert.equal(groupOfGuard({ what: 'lost-sight' }), 'guard:lost-sight');
});
