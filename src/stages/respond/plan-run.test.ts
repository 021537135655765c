// The life of a plan: consent, steps with their retries, what may not follow, expiry, undoing; and what holds whatever happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, array, boolean, constantFrom, property, subarray } from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import type { Plan, PlanRun } from '../../model/plan.ts';
import type { Action } from '../../model/remediation.ts';
import { planOf as simulatedPlan } from '../../sim/simulated-plan.ts';
import { advance, beginRun, nextMove, type Outcome, type PlanEvent } from './plan-run.ts';
import { measureStep } from './steps.ts';

const t0 = Date.parse('2026-11-21T12:00:00.000Z');

/** Each of its steps is tried twice at most. */
function planOf(actions: readonly Action[], rest: Partial<Plan> = {}): Plan {
  return simulatedPlan(actions, { vm: 'name:x', attemptsMax: 2, madeAt: new Date(t0).toISOString(), ...rest });
}

/** Drives a run until it rests for good; `answer` says how each step ends. Time jumps to whatever is waited for. */
function drive(run: PlanRun, answer: (what: string) => Outcome['state'] | 'silent', fromMs = t0) {
  let now = run;
  let atMs = fromMs;
  const taken: string[] = [];
  for (let moves = 0; moves < 200; moves += 1) {
    const move = nextMove(now, atMs);
    if (move.do === 'rest' && move.untilMs === null) break;
    if (move.do === 'rest') atMs = move.untilMs ?? atMs;
    else if (move.do === 'time-up') now = advance(now, { kind: 'time-up', objection: null, atMs });
    else {
      const { index, do: of } = move;
      const what = `${of} ${now.plan.steps[index]?.action}`;
      now = advance(now, { kind: 'begun', of, index, remediation: `r${index}.${move.attempt}`, atMs });
      taken.push(what);
      const state = answer(what);
      const event: PlanEvent =
        state === 'silent'
          ? { kind: 'silent', of, index, why: 'no answer', atMs }
          : { kind: 'ended', of, index, outcome: { state, evidence: state }, atMs };
      now = advance(now, event);
    }
  }
  return { run: now, taken, atMs };
}

const well = () => 'done' as const;
const states = ({ steps }: PlanRun) => steps.map((step) => step.state).join(' ');

test('an automatic plan takes its steps in order and is done', () => {
  const { run, taken } = drive(beginRun(planOf(['quarantine', 'snapshot', 'suspend']), t0), well);
  assert.deepEqual([run.state, taken], ['done', ['step quarantine', 'step snapshot', 'step suspend']]);
});

test('a plan that asks waits, is taken up or refused once, and silence counts as the rule says', () => {
  const deadline = new Date(t0 + 60_000).toISOString();
  const asking = beginRun(planOf(['suspend'], { consent: 'approval', deadline }), t0);
  assert.deepEqual(nextMove(asking, t0), { do: 'rest', untilMs: t0 + 60_000 });
  const approved = advance(asking, { kind: 'approved', by: 'ann', atMs: t0 + 1 });
  assert.deepEqual([approved.state, approved.decidedBy], ['executing', 'ann']);
  const denied = advance(asking, { kind: 'denied', by: 'ann', atMs: t0 + 1 });
  assert.equal(advance(denied, { kind: 'approved', by: 'bob', atMs: t0 + 2 }).state, 'denied');
  assert.equal(drive(asking, well).run.state, 'expired');
  const lenient = beginRun(planOf(['suspend'], { consent: 'approval', deadline, unanswered: 'approve' }), t0);
  assert.deepEqual([drive(lenient, well).run.state, drive(lenient, well).run.decidedBy], ['done', 'silence']);
  const tooMany = advance(lenient, { kind: 'time-up', objection: 'it is the last', atMs: t0 + 60_000 });
  assert.deepEqual([tooMany.state, tooMany.note], ['expired', 'nobody agreed in time, and it is the last']);
});

test('consent that comes late does not shorten what ends by itself', () => {
  const flow = { kind: 'block-flow', peer: '192.0.2.1', proto: 'tcp', port: 1, direction: 'outbound' } as const;
  const step = measureStep({ ...flow, expiresAt: new Date(t0 + 3_600_000).toISOString() }, 'name:x', 'w', 's');
  const asking = beginRun({ ...planOf([], { consent: 'approval' }), steps: [step] }, t0);
  const { plan } = advance(asking, { kind: 'approved', by: 'ann', atMs: t0 + 1_800_000 });
  const measure = plan.steps[0]?.measure;
  assert.equal(measure?.kind === 'block-flow' && measure.expiresAt, new Date(t0 + 5_400_000).toISOString());
});

test('a step is tried again after a while, so often as the plan says, and an isolation that failed stops nothing else', () => {
  const failing = (what: string) => (what === 'step quarantine' ? 'failed' : 'done');
  const { run, taken } = drive(beginRun(planOf(['quarantine', 'suspend']), t0), failing);
  assert.deepEqual(taken, ['step quarantine', 'step quarantine', 'step suspend']);
  assert.deepEqual([run.state, states(run)], ['failed', 'failed done']);
  const begun = advance(beginRun(planOf(['suspend']), t0), {
    kind: 'begun',
    of: 'step',
    index: 0,
    remediation: 'r',
    atMs: t0,
  });
  const once = advance(begun, {
    kind: 'ended',
    of: 'step',
    index: 0,
    outcome: { state: 'failed', evidence: '' },
    atMs: t0,
  });
  assert.deepEqual(nextMove(once, t0), { do: 'rest', untilMs: t0 + 1000 });
});

test('nothing is destroyed when its evidence is not there for certain', () => {
  for (const state of ['failed', 'unconfirmed', 'silent'] as const) {
    const answer = (what: string) => (what === 'step snapshot' ? state : 'done');
    const { run, taken } = drive(beginRun(planOf(['snapshot', 'suspend', 'power-off']), t0), answer);
    assert.ok(!taken.includes('step power-off'), state);
    assert.equal(run.steps[2]?.state, 'left');
    assert.notEqual(run.state, 'done');
  }
});

test('a plan is undone in reverse order, at a word or when it runs out; what cannot be undone is said', () => {
  const all = drive(beginRun(planOf(['quarantine', 'snapshot', 'suspend'], { expiresMinutes: 30 }), t0), well);
  assert.deepEqual(all.taken.slice(3), ['undo suspend', 'undo quarantine']);
  assert.deepEqual([all.run.state, all.run.undoneBy, all.run.note], ['undone', 'expiry', 'not taken back: snapshot']);
  assert.equal(all.atMs, t0 + 30 * 60_000);
  const done = drive(beginRun(planOf(['quarantine', 'suspend']), t0), well).run;
  const undoing = advance(done, { kind: 'undo-asked', by: 'ann', atMs: t0 });
  const stuck = drive(undoing, (what) => (what === 'undo suspend' ? 'failed' : 'done'), t0).run;
  assert.deepEqual([stuck.state, stuck.note], ['unconfirmed', 'not taken back: suspend']);
  const again = drive(advance(stuck, { kind: 'undo-asked', by: 'ann', atMs: t0 }), well, t0).run;
  assert.equal(again.state, 'undone');
});

test('what comes from a direction that was left is not heard', () => {
  const begun = advance(beginRun(planOf(['suspend']), t0), {
    kind: 'begun',
    of: 'step',
    index: 0,
    remediation: 'r',
    atMs: t0,
  });
  const undoing = advance(begun, { kind: 'undo-asked', by: 'ann', atMs: t0 });
  assert.equal(undoing.state, 'undoing');
  const late = { kind: 'ended', of: 'step', index: 0, outcome: { state: 'done', evidence: '' }, atMs: t0 } as const;
  assert.deepEqual(advance(undoing, late), undoing);
  assert.deepEqual(drive(undoing, well).run.state, 'undone');
});

test('a plan always ends, and calls itself done only when every step was seen done', () => {
  const actions = subarray(['quarantine', 'snapshot', 'suspend', 'power-off'] as const, { minLength: 1 });
  const answers = array(constantFrom('done', 'failed', 'unconfirmed', 'silent'), { minLength: 1, maxLength: 40 });
  holds(
    property(actions, answers, boolean(), (planned, said, expires) => {
      let next = 0;
      const answer = () => {
        next += 1;
        return said[next % said.length] ?? 'done';
      };
      const { run } = drive(beginRun(planOf(planned, { expiresMinutes: expires ? 5 : null }), t0), answer);
      assert.equal(nextMove(run, t0 + 1e12).do, 'rest');
      assert.notEqual(run.state, 'executing');
      assert.notEqual(run.state, 'undoing');
      if (run.state === 'done') assert.match(states(run), /^(done ?)+$/);
      if (run.state === 'undone')
        assert.ok(run.steps.every(({ state }, at) => state !== 'kept' || run.plan.steps[at]?.undo === null));
    }),
    { numRuns: counted(500, 20_000), seed: seed() },
  );
});
