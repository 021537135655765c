// Starts a VM anew on a copy of a golden image, or on its own disk again, and says so only when the new QEMU tells of that disk.
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import type { ActOutcome } from './enforcer.ts';

/** One hypervisor's way to another disk for one VM. Each answers what was read; a problem of kind `interrupted` when it may be so. */
export interface ImageControl {
  /** What stands in the way; null = nothing. */
  obstacle(): Promise<Problem | null>;
  undoObstacle(): Promise<Problem | null>;
  /** `key` names the fresh disk: the same key gives the same disk, and once it runs on it nothing is done. */
  replace(image: string, key: string): Promise<Result<string>>;
  /** Takes back the disk of that key; null = whichever it runs on. */
  restore(key: string | null): Promise<Result<string>>;
}

export const noImage = problem(
  'refused',
  'This VM cannot be put on a fresh image from here: only libvirt keeps the definition in which its disk can be changed.',
  'Do it on its hypervisor.',
);

const keyLength = 12;
const keyPattern = /^[0-9a-z]{12}$/;

/** Never throws. */
export async function changeImage(step: Step, control: ImageControl | undefined): Promise<ActOutcome> {
  if (control === undefined) return failed(noImage);
  const isBack = step.action === 'undo-re-image';
  const name = isBack ? step.lifts : (step.key ?? step.id);
  const key = name?.slice(0, keyLength) ?? null;
  if (key !== null && !keyPattern.test(key))
    return failed(problem('refused', `Step ${step.id} has a name after which no file can be called.`));
  if (isBack || key === null) return outcomeOf(await control.restore(key));
  if (step.image === undefined) return failed(problem('refused', `Step ${step.id} names no golden image.`));
  return outcomeOf(await control.replace(step.image, key));
}

function outcomeOf(went: Result<string>): ActOutcome {
  if (went.ok) return { state: 'done', evidence: went.value.slice(0, 4000) };
  if (went.error.kind !== 'interrupted') return failed(went.error);
  return { state: 'unconfirmed', evidence: sayProblem(went.error).slice(0, 4000) };
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
