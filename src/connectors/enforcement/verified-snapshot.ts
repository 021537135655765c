// By which way a snapshot is made: within the VM's own disks, or, where those can hold none, outside them: its memory in a file, each
// disk left as it is and gone on with in an overlay. Which it would be is said beforehand.
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import type { ActOutcome, Capability, VmReading } from './enforcer.ts';

/** One hypervisor's way of keeping a snapshot outside a VM's disks. */
export interface ExternalSnapshotControl {
  /** What stands in the way; null = nothing. */
  obstacle(): Promise<Problem | null>;
  /** Answers what was read; a problem of kind `interrupted` when it may have been made. */
  make(name: string): Promise<Result<string>>;
  /** Those that were made and whose files are all there. */
  names(): Promise<readonly string[]>;
}

export interface SnapshotControl {
  /** Null when a snapshot can be made within the disks; otherwise what stands in the way. */
  snapshotObstacle(): Promise<Problem | null>;
  /** Absent where there is only the one way. */
  readonly externalSnapshot?: ExternalSnapshotControl;
}

export type SnapshotWay =
  | { readonly kind: 'internal' }
  | { readonly kind: 'external'; readonly control: ExternalSnapshotControl; readonly why: string }
  | { readonly kind: 'none'; readonly obstacle: Problem };

export async function snapshotWay(control: SnapshotControl): Promise<SnapshotWay> {
  const within = await control.snapshotObstacle();
  const { externalSnapshot } = control;
  if (within === null) return { kind: 'internal' };
  if (externalSnapshot === undefined) return { kind: 'none', obstacle: within };
  const outside = await externalSnapshot.obstacle();
  if (outside === null) return { kind: 'external', control: externalSnapshot, why: within.message };
  const said = `${within.message} Nor can an external one: ${outside.message}`;
  return { kind: 'none', obstacle: problem('refused', said, outside.mend ?? within.mend) };
}

export function snapshotCapability(way: SnapshotWay): Capability {
  if (way.kind === 'none') return { action: 'snapshot', available: false, why: sayProblem(way.obstacle) };
  if (way.kind === 'internal') return { action: 'snapshot', available: true, why: null };
  const why = `an external one, its memory in a file and its disks going on in overlays: ${way.why}`;
  return { action: 'snapshot', available: true, why };
}

/** Never throws. */
export async function makeExternal(name: string, control: ExternalSnapshotControl): Promise<ActOutcome> {
  const made = await control.make(name);
  if (made.ok) return { state: 'done', evidence: made.value.slice(0, 4000) };
  const evidence = sayProblem(made.error).slice(0, 4000);
  return made.error.kind === 'interrupted'
    ? { state: 'unconfirmed', evidence }
    : { state: 'failed', evidence, problem: made.error };
}

/** Only where it is about snapshots: whoever is to be stopped is not kept waiting for the files of others. */
export async function withExternal(
  step: Pick<Step, 'action'> | null,
  reading: Result<VmReading>,
  control: ExternalSnapshotControl | undefined,
): Promise<Result<VmReading>> {
  const matters = step === null || step.action === 'snapshot' || step.action === 'revert';
  if (!matters || !reading.ok || reading.value.run === 'gone' || control === undefined) return reading;
  const names = await control.names();
  return { ok: true, value: { ...reading.value, snapshots: [...reading.value.snapshots, ...names] } };
}
