// Whether plans go on when they are due, whatever the clock and the timers do.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startPlanTrial, steppedClock } from '../../../lab/plan-trial.ts';
import { at } from '../../sim/simulated-activity.ts';
import { Random } from '../../sim/random.ts';
import { SimulatedEstate } from '../../sim/simulated-estate.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { until } from '../trial.ts';
import { startPlanRunner } from './plan-runner.ts';

test('a timer that rings before the clock shows its time is set again', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-runner-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const clock = steppedClock(Date.parse(at(0)));
  const trial = await startPlanTrial(dir, clock, new SimulatedEstate(clock, new Random(1)));
  t.after(async () => await trial.close());
  const runner = startPlanRunner({
    desk: trial.desk,
    carrier: { carry: async () => await Promise.resolve({ outcome: { state: 'done', evidence: 'done' } }) },
    unconfirmed: async () => await Promise.resolve(),
  });
  t.after(async () => await runner.close());
  const rest = { consent: 'approval', deadline: at(0.05), unanswered: 'approve' } as const;
  const { plan } = await trial.adopt(planOf(['suspend'], rest));
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal((await trial.run(plan.id)).state, 'waiting-approval');
  clock.advance(50);
  await until('it is carried out', async () => (await trial.run(plan.id)).state === 'done');
});
