// 200 plans against 50 VMs at once, whose hypervisors and switches refuse, hang and lie, each one time in ten: limits hold, no
// other VM is touched, and what was not seen to be true is never called done.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { counted, seed } from '../../../lab/scale.ts';
import { ok } from '../../kit/result.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import type { Rule } from '../../model/rule.ts';
import { Random } from '../../sim/random.ts';
import { at, connected, findingOf, runningVm, vmId } from '../../sim/simulated-activity.ts';
import { type Fault, SimulatedEstate } from '../../sim/simulated-estate.ts';
import { isDisruptive } from '../../stages/respond/action-traits.data.ts';
import { plansForFinding } from '../../stages/respond/plan-by-rules.ts';
import { change } from '../audit/change.ts';
import { insertMember, insertScope, insertService, updateService } from '../store/applications.ts';
import { remediationsSince } from '../store/remediations.ts';
import { saveVm } from '../store/vms.ts';
import { must } from '../trial.ts';
import { adoptPlan } from './adopt-plan.ts';
import { groundFor } from './ground.ts';
import { type PlanTrial, startPlanTrial, steppedClock } from '../../../lab/plan-trial.ts';
import { decidePlan } from './plans.ts';

const t0 = Date.parse(at(0));
const vms = 50;
const services = 10;
const limits = { service: 2, scope: 12, host: 12, minutes: 60 };
const policy: ResponsePolicy = { management: ['10.0.0.1'], limits };
const choices: readonly (readonly [Rule['action'], ...Rule['action'][]])[] = [
  ['quarantine', 'snapshot', 'suspend'],
  ['power-off'],
  ['block-flow', 'capture'],
  ['quarantine', 'capture'],
  ['snapshot', 'suspend'],
];

function ruleOf(random: Random): Rule {
  const [action, ...also] = choices[random.integer(0, choices.length - 1)] ?? ['suspend'];
  const others = also.filter((it) => it !== 'block' && it !== 'kill' && it !== 'hold');
  const approval = random.chance(0.6) ? 'automatic' : 'approval';
  const expires = random.chance(0.2) ? { expiresMinutes: 20 } : {};
  return { on: 'any', minSeverity: 'info', action, approval, also: others, ...expires };
}

async function furnish({ desk }: PlanTrial, estate: SimulatedEstate): Promise<void> {
  must(
    await desk.store.write(async (db) => {
      await insertScope(db, 'shop', '', at(0));
      for (let service = 0; service < services; service += 1) {
        await insertService(db, 'shop', `tier${service}`, '');
        await updateService(db, 'shop', `tier${service}`, { response: policy });
      }
      for (let n = 0; n < vms; n += 1) {
        estate.add(vmId(n));
        await saveVm(db, 'host1', runningVm(n, `vm${n}`));
        const place = { scope: 'shop', service: `tier${n % services}`, reference: vmId(n) };
        await insertMember(db, { ...place, vm: vmId(n), name: `vm${n}` });
      }
      return ok(null);
    }),
  );
}

/** One finding, planned and taken in as the ingest does; people agree to half of what waits. */
async function answer({ desk }: PlanTrial, estate: SimulatedEstate, random: Random, n: number): Promise<PlanRun[]> {
  const nowMs = desk.clock.now();
  const activity = { ...connected(vmId(random.integer(0, vms - 1)), '/tmp/x', '203.0.113.9', 443), at: at(n) };
  const rule = ruleOf(random);
  const runs = must(
    await change(desk, { by: 'x', verb: 'test', subject: 'x', silent: true }, async (turn) => {
      const ground = await groundFor(turn.db, activity.vm, estate.abilities(), nowMs);
      const by = { alarm: null, ground, nowMs, consent: rule.approval };
      const proposals = plansForFinding(findingOf(activity, `g${n}`), [rule], by);
      const made: PlanRun[] = [];
      for (const { plan } of proposals) if (plan !== null) made.push(await adoptPlan(turn, plan));
      return ok(made);
    }),
  );
  for (const run of runs)
    if (run.state === 'waiting-approval' && random.chance(0.5))
      must(await decidePlan(desk, run.plan.id, 'approved', 'ann'));
  return runs;
}

/** What rules did alone, in the order in which it was begun: at no time more VMs than the limits say. */
function assertLimits(runs: readonly PlanRun[]): void {
  const alone = runs
    .filter(({ plan, beganAt, decidedBy }) => beganAt !== null && decidedBy === null && plan.consent === 'automatic')
    .filter(({ plan }) => plan.steps.some((step) => isDisruptive(step.action)));
  assert.ok(alone.length > 5, 'too little was done alone to have tried the limits');
  for (const { beganAt } of alone) {
    const nowMs = Date.parse(beganAt ?? '');
    const fresh = alone.filter((one) => {
      const agoMs = nowMs - Date.parse(one.beganAt ?? '');
      return agoMs >= 0 && agoMs < limits.minutes * 60_000;
    });
    const touched = [...new Set(fresh.map(({ plan }) => Number(plan.vm.slice(-12))))];
    assert.ok(touched.length <= limits.scope, `${touched.length} VMs of the scope`);
    for (let service = 0; service < services; service += 1)
      assert.ok(touched.filter((n) => n % services === service).length <= limits.service);
  }
}

function assertNothingIsMadeUp(remediations: readonly Remediation[], estate: SimulatedEstate): void {
  assert.ok(estate.lies.size > 10, 'too few lies were told');
  for (const id of estate.lies)
    assert.equal(remediations.find((one) => one.id === id)?.state, 'unconfirmed', `lie ${id}`);
  for (const { id, state } of remediations)
    if (state === 'done') assert.equal(estate.answers.get(id)?.state, 'done', `${id} was called done and was not`);
}

function assertOnlyOrdered(runs: readonly PlanRun[], estate: SimulatedEstate): void {
  for (const vm of estate.vms.values()) {
    const own = runs.filter(({ plan, beganAt }) => plan.vm === vm.id && beganAt !== null);
    const allowed = new Set(own.flatMap(({ plan }) => plan.steps.flatMap(({ action, undo }) => [action, undo])));
    for (const effect of vm.effects)
      assert.ok(
        [...allowed].some((action) => action === effect.split(' ')[0]),
        `${vm.id}: nobody ordered ${effect}`,
      );
    assert.equal(
      new Set(vm.effects.filter((it) => it.includes(' '))).size,
      vm.effects.filter((it) => it.includes(' ')).length,
    );
    const end = vm.effects.indexOf('power-off');
    if (end >= 0)
      assert.ok(
        vm.effects.slice(0, end).some((it) => it.startsWith('snapshot ')),
        'destroyed without evidence',
      );
  }
}

test('200 plans, 50 VMs, one backend in ten refusing, hanging and lying each', async () => {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'plumbline-swarm-'));
  try {
    for (let round = 0; round < counted(1, 20); round += 1) {
      const random = new Random(seed() + round);
      const clock = steppedClock(t0);
      const faults: readonly (Fault | null)[] = ['refuses', 'hangs', 'lies', ...Array.from({ length: 7 }, () => null)];
      const estate = new SimulatedEstate(clock, random, () => faults[random.integer(0, 9)] ?? null);
      const trial = await startPlanTrial(mkdtempSync(join(dir, 'round-')), clock, estate);
      await furnish(trial, estate);
      const made: PlanRun[] = [];
      for (let n = 0; n < 200 || made.length < 200; n += 1) {
        made.push(...(await answer(trial, estate, random, n)));
        clock.advance(20_000);
        // They run on while others are being made.
        if (n % 10 === 9) await trial.settle(clock.now());
      }
      await trial.settle();
      const runs = await Promise.all(made.map(async ({ plan }) => await trial.run(plan.id)));
      const ended = ['done', 'unconfirmed', 'failed', 'undone', 'expired'];
      assert.deepEqual(
        runs.filter(({ state }) => !ended.includes(state)).map(({ state }) => state),
        [],
      );
      const remediations = must(await trial.desk.store.read(async (db) => await remediationsSince(db, at(0))));
      assertLimits(runs);
      assertNothingIsMadeUp(remediations, estate);
      assertOnlyOrdered(runs, estate);
      await trial.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
