// Takes the steps of a plan one after the other. What may follow what is the plan's own business; a plan of several steps is kept
// between them, and gone on with by whoever is started after a crash.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Plan, PlanRun } from '../../model/plan.ts';
import { advance, beginRun, nextMove, type Outcome } from '../../stages/respond/plan-run.ts';
import type { Cause, Executor } from './executor.ts';
import type { PlanMemory, PlanUnderWay } from './plan-memory.ts';

export interface PlanWalkerOptions {
  readonly executor: Pick<Executor, 'execute' | 'hold'>;
  readonly memory: PlanMemory;
  readonly clock: Clock;
  readonly log: Log;
}

/** What was begun longer ago is history; a person decides about the rest of it. */
const resumeWithinMs = 10 * 60_000;

export class PlanWalker {
  readonly #options: PlanWalkerOptions;
  #left: readonly PlanUnderWay[];

  constructor(options: PlanWalkerOptions) {
    this.#options = options;
    // Now, before anything new is under way.
    this.#left = this.#underWay();
  }

  async walk(plan: Plan, cause: Cause): Promise<void> {
    await this.#goOn(beginRun(plan, this.#options.clock.now()), cause);
  }

  /** Goes on with what an earlier run of the sentinel left under way, as soon as its VM is here. Returns at once. */
  resume(isHere: (vm: string) => boolean): void {
    const here = this.#left.filter(({ run }) => isHere(run.plan.vm));
    this.#left = this.#left.filter((one) => !here.includes(one));
    for (const { run, cause } of here) void this.#goOn(run, cause);
  }

  #underWay(): readonly PlanUnderWay[] {
    const { memory, log } = this.#options;
    const kept = memory.all();
    if (!kept.ok) log.error('plans under way cannot be read', { why: sayProblem(kept.error) });
    return kept.ok ? kept.value : [];
  }

  async #goOn(from: PlanRun, cause: Cause): Promise<void> {
    const { executor, memory, clock } = this.#options;
    const isOld = clock.now() - Date.parse(from.beganAt ?? from.plan.madeAt) > resumeWithinMs;
    let run = from;
    while (!isOld) {
      const move = nextMove(run, clock.now());
      const step = move.do === 'step' ? run.plan.steps[move.index] : undefined;
      if (move.do !== 'step' || step === undefined) break;
      const of = { of: 'step', index: move.index } as const;
      run = this.#keep(advance(run, { kind: 'begun', ...of, remediation: step.id, atMs: clock.now() }), cause);
      const answered = await executor.execute(step, cause);
      const outcome: Outcome = answered.ok
        ? { state: endOf(answered.value.state), evidence: answered.value.evidence }
        : { state: 'failed', evidence: sayProblem(answered.error) };
      run = this.#keep(advance(run, { kind: 'ended', ...of, outcome, atMs: clock.now() }), cause);
    }
    run.plan.steps.forEach((step, index) => {
      const { state, evidence } = run.steps[index] ?? { state: 'left', evidence: '' };
      if (state === 'left') executor.hold(step, cause, `waits for a person: ${evidence}`);
      else if (isOld && state === 'waiting')
        executor.hold(step, cause, 'waits for a person: the sentinel was away for too long in the middle of the plan');
    });
    if (from.plan.steps.length > 1) memory.remove(run);
  }

  /** A plan of one step is kept by the executor: there is nothing to go on with. */
  #keep(run: PlanRun, cause: Cause): PlanRun {
    const { memory, clock, log } = this.#options;
    if (run.plan.steps.length === 1) return run;
    const kept = memory.put({ run, cause }, clock.now());
    if (!kept.ok) log.error('plan not written down', { plan: run.plan.id, why: sayProblem(kept.error) });
    return run;
  }
}

function endOf(state: string): Outcome['state'] {
  return state === 'done' || state === 'failed' ? state : 'unconfirmed';
}
