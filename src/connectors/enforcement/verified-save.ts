// Saves a VM's memory and turns it off, so that it outlives its host, and starts it from there again; done when the hypervisor, asked
// again, has the memory and the VM is off, or the new VM says that it took it in.
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import type { ActOutcome, Capability } from './enforcer.ts';

/** One hypervisor's way for one VM. What answers a text answers what was read; a problem of kind `interrupted` when it may be so. */
export interface SaveControl {
  /** What stands in the way; null = nothing. */
  obstacle(): Promise<Problem | null>;
  undoObstacle(): Promise<Problem | null>;
  save(): Promise<Result<string>>;
  start(): Promise<Result<string>>;
}

const noSave = problem(
  'refused',
  'This VM cannot be saved from here so that it starts from its memory again: only libvirt keeps that for it.',
  'Suspend it, or have a snapshot made before it is powered off.',
);

/** Never throws. */
export async function changeSave(step: Step, control: SaveControl | undefined): Promise<ActOutcome> {
  if (control === undefined) return failed(noSave);
  const went = step.action === 'save' ? await control.save() : await control.start();
  if (went.ok) return { state: 'done', evidence: went.value.slice(0, 4000) };
  if (went.error.kind !== 'interrupted') return failed(went.error);
  return { state: 'unconfirmed', evidence: sayProblem(went.error).slice(0, 4000) };
}

export async function saveCapabilities(control: SaveControl | undefined): Promise<readonly Capability[]> {
  const obstacles = [
    ['save', control === undefined ? noSave : await control.obstacle()],
    ['undo-save', control === undefined ? noSave : await control.undoObstacle()],
  ] as const;
  return obstacles.map(([action, why]) => ({ action, available: why === null, why: why && sayProblem(why) }));
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
