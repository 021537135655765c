// The manager dies at every point of every plan: around and inside each write, before and after each order. On what it stored,
// the next one completes the plan or undoes it; nothing is done twice, nothing is left half.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { counted, seed } from '../../../lab/scale.ts';
import { ok } from '../../kit/result.ts';
import type { Plan } from '../../model/plan.ts';
import type { PlannedAction } from '../../model/remediation.ts';
import { at, runningVm, vmId } from '../../sim/simulated-activity.ts';
import { Random } from '../../sim/random.ts';
import { type EstateVm, SimulatedEstate } from '../../sim/simulated-estate.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { listAudit } from '../store/audit.ts';
import { saveVm } from '../store/vms.ts';
import { must } from '../trial.ts';
import { Died, type Fate, type PlanTrial, startPlanTrial, steppedClock } from '../../../lab/plan-trial.ts';

const t0 = Date.parse(at(0));
// The point is what was committed, not how long a disk takes to say so.
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'plumbline-crash-'));
const template = join(root, 'template');

interface Story {
  readonly title: string;
  readonly actions: readonly PlannedAction[];
  readonly rest?: Partial<Plan>;
  /** Somebody has it undone when it is done. */
  readonly undone?: true;
  readonly ends: string;
  /** What must have happened to the VM, each once, in this order. */
  readonly effects: readonly RegExp[];
}

const isolated = [/^quarantine /, /^snapshot /, /^suspend$/];
const stories: readonly Story[] = [
  { title: 'isolate, collect, stop', actions: ['quarantine', 'snapshot', 'suspend'], ends: 'done', effects: isolated },
  {
    title: 'evidence, then the end',
    actions: ['snapshot', 'power-off'],
    ends: 'done',
    effects: [/^snap/, /^power-off$/],
  },
  {
    title: 'undone by a person',
    actions: ['quarantine', 'snapshot', 'suspend'],
    undone: true,
    ends: 'undone',
    effects: [...isolated, /^resume$/, /^lift /],
  },
  {
    title: 'undone by its expiry',
    actions: ['quarantine', 'suspend'],
    rest: { expiresMinutes: 30 },
    ends: 'undone',
    effects: [/^quarantine /, /^suspend$/, /^resume$/, /^lift /],
  },
  {
    title: 'taken up because nobody said no',
    actions: ['capture', 'suspend'],
    rest: { consent: 'approval', deadline: at(600), unanswered: 'approve' },
    ends: 'done',
    effects: [/^capture /, /^suspend$/],
  },
];

/** Runs a story to its end through as many managers as it takes; `fate` decides where each dies. */
async function live(story: Story, dir: string, fate: Fate) {
  const clock = steppedClock(t0);
  const estate = new SimulatedEstate(clock, new Random(1));
  const vm = estate.add(vmId(1));
  const bystander = estate.add(vmId(2));
  let managers = 0;
  let isUndoAsked = false;
  for (let done = false; !done;) {
    managers += 1;
    assert.ok(managers < 20, 'it never comes to an end');
    let trial: PlanTrial | null = null;
    try {
      trial = await startPlanTrial(dir, clock, estate, fate);
      await trial.adopt(planOf(story.actions, story.rest));
      await trial.settle();
      if (story.undone === true && (await trial.run('plan')).state === 'done') {
        must(await trial.undo('plan'));
        isUndoAsked = true;
        await trial.settle();
      }
      done = true;
    } catch (thrown) {
      if (!(thrown instanceof Died)) throw thrown;
    } finally {
      if (!done) await trial?.close();
    }
    if (done && trial !== null) {
      const run = await trial.run('plan');
      const audit = must(await trial.desk.store.read(async (db) => await listAudit(db, { limit: 500, before: null })));
      await trial.close();
      return { run, vm, bystander, audit: audit.items, isUndoAsked, managers };
    }
  }
  throw new Error('unreachable');
}

function check(story: Story, said: string, lived: Awaited<ReturnType<typeof live>>): void {
  const { run, vm, bystander, audit } = lived;
  assert.equal(run.state, story.ends, said);
  assert.deepEqual(
    run.steps.filter(({ state }) => state === 'begun' || state === 'undo-begun' || state === 'waiting'),
    [],
    `${said}: something is left half`,
  );
  assert.equal(vm.effects.length, story.effects.length, `${said}: ${vm.effects.join(', ')}`);
  story.effects.forEach((expected, index) => assert.match(vm.effects[index] ?? '', expected, said));
  assert.deepEqual(bystander.effects, [], `${said}: another VM was touched`);
  assertAsOrdered(story, vm, said);
  for (const verb of ['plan.make', `plan.${story.ends}`])
    assert.equal(audit.filter((entry) => entry.verb === verb).length, 1, `${said}: audit says ${verb} not once`);
}

function assertAsOrdered({ actions, ends }: Story, vm: EstateVm, said: string): void {
  const isUndone = ends === 'undone';
  const run = actions.includes('power-off') ? 'gone' : actions.includes('suspend') && !isUndone ? 'paused' : 'running';
  assert.equal(vm.run, run, said);
  assert.equal(vm.snapshots.size, Number(actions.includes('snapshot')), said);
  const measures = actions.filter((action) => action === 'quarantine' || action === 'capture').length;
  assert.equal(vm.measures.size, isUndone ? 0 : measures, said);
}

suite('a manager that dies', () => {
  before(async () => {
    mkdirSync(template);
    const clock = steppedClock(t0);
    const trial = await startPlanTrial(template, clock, new SimulatedEstate(clock, new Random(1)));
    for (const n of [1, 2])
      must(await trial.desk.store.write(async (db) => ok(await saveVm(db, 'host1', runningVm(n, `vm${n}`)))));
    await trial.close();
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  for (const story of stories)
    test(`at any one point: ${story.title}`, async () => {
      const points: string[] = [];
      check(story, 'alive', await lifeIn(story, (point) => void points.push(point)));
      assert.ok(points.length > 20, 'too few points to have been asked');
      // Every point under soak; otherwise every third, another third for another seed and story.
      const every = counted(3, 1);
      const first = (seed() + stories.indexOf(story)) % every;
      for (const [number, point] of points.entries()) {
        if (number % every !== first) continue;
        let asked = -1;
        const fate: Fate = (here) => {
          asked += 1;
          if (asked === number) throw new Died(here);
        };
        const lived = await lifeIn(story, fate);
        check(story, `${point} (point ${number} of ${points.length})`, lived);
        assert.equal(lived.managers, 2, 'it did not die');
      }
    });

  test('again and again, at points drawn at random', async () => {
    for (let life = 1; life <= counted(10, 500); life += 1) {
      const random = new Random(seed() + life);
      let deaths = 0;
      const fate: Fate = (point) => {
        if (deaths >= 6 || !random.chance(0.08)) return;
        deaths += 1;
        throw new Died(point);
      };
      const story = stories[life % stories.length];
      assert.ok(story);
      check(story, `seed ${seed()}, life ${life}`, await lifeIn(story, fate));
    }
  });
});

async function lifeIn(story: Story, fate: Fate): Promise<Awaited<ReturnType<typeof live>>> {
  const dir = mkdtempSync(join(root, 'life-'));
  try {
    copyFileSync(join(template, 'manager.db'), join(dir, 'manager.db'));
    return await live(story, dir, fate);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
