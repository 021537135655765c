// What holds of every plan, whatever the wishes, the host and the policy: properties, not examples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assert as holds,
  array,
  constant,
  constantFrom,
  integer,
  option,
  property,
  record,
  subarray,
  type Arbitrary,
} from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import { plannedActions } from '../../model/remediation.ts';
import { process } from '../../sim/seen.ts';
import { actionTraits, phaseOrder } from './action-traits.data.ts';
import { type Disruption, radiusObjection } from './blast-radius.ts';
import { type Ground, makePlan, type PlanCause, type Terms } from './make-plan.ts';
import { attemptOf, undoStep } from './steps.ts';
import { mergeWanted, type Wanted } from './wanted.ts';

const runs = { numRuns: counted(500, 20_000), seed: seed() };
const nowMs = Date.parse('2026-11-21T12:00:00.000Z');

const wanted: Arbitrary<Wanted> = record(
  {
    action: constantFrom(...plannedActions),
    by: constantFrom('rule', 'person'),
    atMs: integer({ min: 0, max: 3 }),
    consent: constantFrom('automatic', 'approval'),
    expiresMinutes: constantFrom(null, 1, 60),
    evidence: constantFrom('first', 'none'),
  },
  { noNullPrototype: true },
);
const wishes = array(wanted, { maxLength: 8 });

const ground: Arbitrary<Ground> = record({
  policy: record({ inspection: constant('inspect'), protectedVms: constantFrom([], ['name:web1']) }),
  abilities: option(
    subarray([...plannedActions]).map((able) =>
      plannedActions.map((action) => ({ action, available: able.includes(action), why: 'not here' })),
    ),
  ),
  answered: constant({ inForce: [], lifted: [] }),
  standing: constant(null),
  recent: constant([]),
});

const cause: PlanCause = {
  vm: 'name:web1',
  alarm: null,
  group: 'g',
  atMs: nowMs,
  seed: 's',
  why: 'w',
  activity: process('/bin/sh', ['sh']),
  by: 'rules',
  origin: 'rule',
};
const terms: Terms = { consent: 'automatic', deadlineMinutes: 60, unanswered: 'deny', dryRun: false, attemptsMax: 3 };

test('merging wishes does not depend on who speaks first, nor on who repeats himself', () => {
  holds(
    property(wishes, wishes, wishes, (a, b, c) => {
      assert.deepEqual(mergeWanted(a, b), mergeWanted(b, a));
      assert.deepEqual(mergeWanted(mergeWanted(a, b), c), mergeWanted(a, mergeWanted(b, c)));
      const once = mergeWanted(a, []);
      assert.deepEqual(mergeWanted(once, once), once);
      assert.deepEqual(mergeWanted(mergeWanted(a, b), b), mergeWanted(a, b));
    }),
    runs,
  );
});

test("of suspend and resume one is left: a person's newest word if one spoke", () => {
  holds(
    property(wishes, (all) => {
      const about = all.filter(({ action }) => action === 'suspend' || action === 'resume');
      const merged = mergeWanted(about, []);
      const spoken = about.filter(({ by }) => by === 'person');
      assert.equal(merged.length, Math.min(about.length, 1));
      if (spoken.length > 0) assert.equal(merged[0]?.atMs, Math.max(...spoken.map(({ atMs }) => atMs)));
    }),
    runs,
  );
});

test('every plan keeps its order, destroys nothing whose evidence could be kept, and does only what its host can', () => {
  holds(
    property(wishes, ground, (all, on) => {
      const merged = mergeWanted(all, []);
      const { plan, decisions } = makePlan(cause, merged, on, terms, nowMs);
      const actions = (plan?.steps ?? []).map((step) => plannedActions.find((it) => it === step.action) ?? 'lift');
      const phases = actions.map((action) => phaseOrder.indexOf(actionTraits[action].phase));
      assert.deepEqual(
        phases,
        phases.toSorted((one, other) => one - other),
      );
      assert.equal(new Set(actions).size, actions.length, 'nothing twice');
      assert.ok(
        merged.every((wish) => decisions.some(({ action }) => action === wish.action)),
        'each wish has its reason',
      );
      const can = (action: string) =>
        action === 'lift' || (on.abilities?.find((one) => one.action === action)?.available ?? true);
      assert.ok(actions.every(can));
      const isProtected = on.policy.protectedVms?.includes(cause.vm) === true;
      assert.ok(!isProtected || actions.every((action) => !actionTraits[action].disruptive));
      const destroying = merged.find(({ action, evidence }) => action === 'power-off' && evidence === 'first');
      const at = actions.indexOf('power-off');
      if (destroying !== undefined && at >= 0 && can('snapshot'))
        assert.ok(actions.slice(0, at).includes('snapshot'), actions.join());
    }),
    runs,
  );
});

test('however findings come, what rules do alone stays within every limit', () => {
  const moment = record({ vm: integer({ min: 0, max: 29 }), afterMs: integer({ min: 0, max: 20 * 60_000 }) });
  const limits = record({
    service: integer({ min: 1, max: 4 }),
    scope: integer({ min: 1, max: 6 }),
    host: integer({ min: 1, max: 6 }),
    minutes: constantFrom(1, 60),
  });
  holds(
    property(array(moment, { maxLength: 60 }), limits, (moments, most) => {
      const done: Disruption[] = [];
      const stopped = new Set<number>();
      let atMs = nowMs;
      for (const { vm, afterMs } of moments) {
        atMs += afterMs;
        const place = { scope: `scope${vm % 2}`, service: `service${vm % 5}`, host: `host${vm % 3}` };
        const peers = Array.from({ length: 30 }, (_, n) => n).filter((n) => n % 10 === vm % 10 && n !== vm);
        const standing = { ...place, members: 3, othersRunning: peers.filter((n) => !stopped.has(n)).length };
        const on = { policy: { limits: most }, abilities: null, answered: { inForce: [], lifted: [] }, standing };
        const wish = { action: 'suspend', by: 'rule', atMs, consent: 'automatic', evidence: 'first' } as const;
        const of = { ...cause, vm: `name:${vm}` };
        const { plan } = makePlan(of, [{ ...wish, expiresMinutes: null }], { ...on, recent: done }, terms, atMs);
        if (plan?.consent !== 'automatic') continue;
        assert.ok(standing.othersRunning > 0, 'the last of a tier was stopped');
        stopped.add(vm);
        done.push({ vm: of.vm, ...place, atMs });
        const lately = done.filter((one) => atMs - one.atMs < most.minutes * 60_000);
        const countOf = (same: (one: Disruption) => boolean) => new Set(lately.filter(same).map((one) => one.vm)).size;
        assert.ok(countOf((one) => one.scope === place.scope && one.service === place.service) <= most.service);
        assert.ok(countOf((one) => one.scope === place.scope) <= most.scope);
        assert.ok(countOf((one) => one.host === place.host) <= most.host);
      }
    }),
    { ...runs, numRuns: counted(200, 5000) },
  );
});

test('a VM does not count against itself, and another service does not count against this one', () => {
  const at = { scope: 'shop', service: 'web', host: 'h', members: 2, othersRunning: 1 };
  const limits = { service: 1, scope: 2, host: 9, minutes: 60 };
  const one = { vm: 'a', ...at, atMs: nowMs };
  assert.equal(radiusObjection('a', at, [one], limits, nowMs), null);
  assert.match(radiusObjection('b', at, [one], limits, nowMs) ?? '', /1 VMs of shop\/web/);
  const elsewhere = { ...one, service: 'db' };
  assert.equal(radiusObjection('b', at, [elsewhere], limits, nowMs), null);
  assert.match(radiusObjection('b', at, [elsewhere, { ...elsewhere, vm: 'c' }], limits, nowMs) ?? '', /scope shop/);
});

test('a VM goes back only to a snapshot that was named, and what is lost by it is kept first', () => {
  const on: Ground = {
    policy: {},
    abilities: plannedActions.map((action) => ({ action, available: true, why: null })),
    answered: { inForce: [], lifted: [] },
    standing: null,
    recent: [],
  };
  const wish: Wanted = {
    action: 'revert',
    by: 'person',
    atMs: nowMs,
    consent: 'automatic',
    expiresMinutes: null,
    evidence: 'first',
  };
  const { plan } = makePlan(cause, [{ ...wish, snapshot: 'plumbline-1' }], on, terms, nowMs);
  assert.deepEqual(
    plan?.steps.map(({ action, undo }) => [action, undo]),
    [
      ['snapshot', null],
      ['revert', null],
    ],
  );
  assert.deepEqual([plan?.steps[1]?.snapshot, plan?.steps[1]?.expect], ['plumbline-1', 'back at plumbline-1']);
  assert.notEqual(plan?.steps[0]?.snapshot, 'plumbline-1');
  // What is tried again goes on where it broke off, on the same disks.
  const back = plan?.steps[1] ?? assert.fail();
  assert.deepEqual([attemptOf(back, 2).id === back.id, attemptOf(back, 2).key], [false, back.id]);
  const unnamed = makePlan(cause, [wish], on, terms, nowMs);
  assert.equal(unnamed.plan, null);
  assert.match(unnamed.decisions[0]?.why ?? '', /which of its snapshots to go back to was not said/);
});

test('a VM is put on the golden image that its service names, what is lost by it is kept first, and its own disk is the way back', () => {
  const on: Ground = {
    policy: { goldenImage: '/images/web.qcow2' },
    abilities: plannedActions.map((action) => ({ action, available: true, why: null })),
    answered: { inForce: [], lifted: [] },
    standing: null,
    recent: [],
  };
  const wish: Wanted = {
    action: 're-image',
    by: 'person',
    atMs: nowMs,
    consent: 'automatic',
    expiresMinutes: null,
    evidence: 'first',
  };
  const [collected, step, ...more] = makePlan(cause, [wish], on, terms, nowMs).plan?.steps ?? [];
  assert.ok(step);
  assert.deepEqual(
    [collected?.action, step.action, step.undo, more.length],
    ['snapshot', 're-image', 'undo-re-image', 0],
  );
  assert.equal(step.image, '/images/web.qcow2');
  // What is tried again is the same disk, and what takes it back names it.
  const again = attemptOf(step, 2);
  assert.deepEqual([again.id === step.id, again.key], [false, step.id]);
  assert.equal(undoStep(again, 'r', 'w')?.lifts, step.id);
  const unnamed = makePlan(cause, [wish], { ...on, policy: {} }, terms, nowMs);
  assert.equal(unnamed.plan, null);
  assert.match(unnamed.decisions[0]?.why ?? '', /names no goldenImage/);
  const guarded = makePlan(cause, [wish], { ...on, policy: { ...on.policy, protectedVms: [cause.vm] } }, terms, nowMs);
  assert.equal(guarded.plan, null);
});
