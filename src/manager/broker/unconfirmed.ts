// An answer that nobody could confirm is an alarm of its own: somebody has to look at the VM.
import type { PlanRun } from '../../model/plan.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { raiseGuard } from '../ingest/guard-events.ts';

export async function raiseUnconfirmed(desk: Pick<Desk, 'newId'>, turn: Turn, { plan, steps }: PlanRun): Promise<void> {
  const doubtful = plan.steps.flatMap((step, index) => {
    const run = steps[index];
    return run?.state === 'unconfirmed' || run?.state === 'kept' ? [`${step.action}: ${run.evidence}`] : [];
  });
  const detail = doubtful.join('; ').slice(0, 2000);
  await raiseGuard(desk, turn, { vm: plan.vm, at: turn.at, what: 'response-unconfirmed', subject: plan.id, detail });
}
