// Goes back to a snapshot that Plumbline made, and says so only when the hypervisor tells of it and the VM runs or stands as it did.
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import type { ActOutcome, VmReading } from './enforcer.ts';

/** One hypervisor's way back for one VM. */
export interface RevertControl {
  /** What stands in the way; null = nothing. */
  obstacle(): Promise<Problem | null>;
  /**
   * Answers what shows that it happened; a problem of kind `interrupted` when it may have happened. `key` names what has to be made for
   * it: the same key again goes on where it broke off.
   */
  to(snapshot: string, key: string): Promise<Result<string>>;
}

/** What somebody else keeps under another name is his to go back to. */
const ours = /^plumbline-[A-Za-z0-9._-]{1,54}$/;
const none = problem('refused', 'This VM cannot be put back to a snapshot from here.', 'Do it on its hypervisor.');

export async function revertObstacle(control: RevertControl | undefined): Promise<Problem | null> {
  return control === undefined ? none : await control.obstacle();
}

/** `before`: the reading just made. Never throws. */
export async function revert(step: Step, control: RevertControl | undefined, before: VmReading): Promise<ActOutcome> {
  if (control === undefined) return failed(none);
  const name = step.snapshot ?? '';
  if (!ours.test(name))
    return failed(
      problem(
        'refused',
        `Step ${step.id} names no snapshot that Plumbline made.`,
        'Name one that begins with plumbline-.',
      ),
    );
  if (!before.snapshots.includes(name)) {
    const held =
      before.snapshots
        .filter((one) => ours.test(one))
        .slice(0, 20)
        .join(', ') || 'none';
    return failed(problem('not-found', `The VM has no snapshot ${name}.`, `Made by Plumbline: ${held}.`));
  }
  const obstacle = await control.obstacle();
  if (obstacle !== null) return failed(obstacle);
  const went = await control.to(name, step.key ?? step.id);
  if (went.ok) return { state: 'done', evidence: went.value.slice(0, 4000) };
  if (went.error.kind !== 'interrupted') return failed(went.error);
  return { state: 'unconfirmed', evidence: sayProblem(went.error).slice(0, 4000) };
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
