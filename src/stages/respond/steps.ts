// Steps: one act on one VM with nothing left to choose. A step is made from its cause alone, so the same cause gives the same
// step, and carrying it out twice can be noticed.
import type { Finding } from '../../model/finding.ts';
import type { NetworkMeasure } from '../../model/network-measure.ts';
import type { Action, HeldAnswer, InlineAction, Step } from '../../model/remediation.ts';
import { digest } from '../../pattern/digest.ts';

const whyMax = 1000;

/** What was answered inside the guest, as a step: the same cause gives the same step. */
export function inlineStep(action: InlineAction, finding: Finding): Step {
  return stepFor(action, finding.deviation.vm, whyOf(finding), seedOf(finding));
}

/** A step that answers a held attempt. */
export function releaseStep(answer: HeldAnswer, vm: string, why: string, idSeed: string): Step {
  return { ...stepFor('release', vm, why, idSeed), answer };
}

/** A step for one action; the same seed gives the same step. */
export function stepFor(action: Action, vm: string, why: string, idSeed: string): Step {
  const id = digest([vm, action, idSeed].join('\n'));
  const snapshot = action === 'snapshot' ? { snapshot: `plumbline-${id.slice(0, 12)}` } : {};
  return {
    id,
    vm,
    action,
    why: why.slice(0, whyMax).toWellFormed(),
    expect: expectation(action, snapshot.snapshot),
    undo: undoOf(action),
    ...snapshot,
  };
}

/** A step that puts the VM back to one of its snapshots. */
export function revertStep(snapshot: string, vm: string, why: string, idSeed: string): Step {
  const step = stepFor('revert', vm, why, `${idSeed} ${snapshot}`);
  return { ...step, snapshot, expect: `back at ${snapshot}` };
}

/** A step that starts the VM anew on a copy of the golden image. */
export function reimageStep(image: string, vm: string, why: string, idSeed: string): Step {
  return { ...stepFor('re-image', vm, why, `${idSeed} ${image}`), image };
}

/** A step that puts a measure into force on the VM's network. */
export function measureStep(measure: NetworkMeasure, vm: string, why: string, idSeed: string): Step {
  const detail = measure.kind === 'block-flow' ? ` ${measure.direction} ${measure.peer} ${measure.port}` : '';
  return { ...stepFor(measure.kind, vm, why, `${idSeed}${detail}`), measure };
}

/** A call as its configuration has it. */
export interface KnownCall {
  readonly name: string;
  /** What it opens outside can be closed again. */
  readonly canEnd: boolean;
}

/** A step that makes one of the configured calls. */
export function callStep({ name, canEnd }: KnownCall, vm: string, why: string, idSeed: string): Step {
  return { ...stepFor('call', vm, why, `${idSeed} ${name}`), call: name, undo: canEnd ? 'end-call' : null };
}

/** What takes a step back that was carried out as this remediation; null = nothing can. */
export function undoStep(step: Step, remediation: string, why: string): Step | null {
  if (step.undo === null) return null;
  const undo = stepFor(step.undo, step.vm, why, `undo ${remediation}`);
  if (step.call !== undefined) return { ...undo, call: step.call, lifts: measureKey(step) };
  return step.undo === 'lift' || step.undo === 'undo-re-image' ? { ...undo, lifts: measureKey(step) } : undo;
}

/** The name under which a switch keeps what this step puts into force, a receiver knows a call, or a disk that is made is called. */
export function measureKey(step: Pick<Step, 'id' | 'key'>): string {
  return step.key ?? step.id;
}

/** One more try of a step that did not succeed: what it does is the same, that it was tried is news. */
export function attemptOf(step: Step, attempt: number): Step {
  if (attempt <= 1) return step;
  const id = digest(`${step.id} ${attempt}`);
  const isNamed =
    step.measure !== undefined || step.call !== undefined || step.image !== undefined || step.action === 'revert';
  return isNamed ? { ...step, id, key: measureKey(step) } : { ...step, id };
}

/** What the same cause has in common. */
export function seedOf({ group, deviation }: Finding): string {
  return `${group} ${deviation.generation}`;
}

export function whyOf({ deviation, severity, risk, reasons }: Finding): string {
  const worst = reasons.toSorted((a, b) => b.points - a.points)[0];
  return `${severity} ${deviation.kind} deviation, risk ${risk}${worst === undefined ? '' : `: ${worst.text}`}`;
}

function expectation(action: Action, snapshot: string | undefined): string {
  switch (action) {
    case 'alert':
      return 'unchanged';
    case 'suspend':
      return 'paused';
    case 'resume':
      return 'running';
    case 'snapshot':
      return `snapshot ${snapshot ?? ''} exists`;
    case 'memory-dump':
      return 'memory kept';
    case 'revert':
      return 'back at the snapshot';
    case 're-image':
      return 'on a fresh image';
    case 'undo-re-image':
      return 'on its own disk';
    case 'save':
      return 'saved and off';
    case 'undo-save':
      return 'on again';
    case 'cut-link':
      return 'links down';
    case 'restore-link':
      return 'links up';
    case 'power-off':
      return 'gone';
    case 'block':
      return 'refused';
    case 'kill':
      return 'ended';
    case 'hold':
    case 'release':
      return 'decided';
    case 'quarantine':
    case 'block-flow':
    case 'capture':
    case 'reroute':
      return 'in force';
    case 'lift':
      return 'lifted';
    case 'call':
      return 'answered';
    case 'end-call':
      return 'closed';
  }
}

function undoOf(action: Action): Action | null {
  switch (action) {
    case 'suspend':
      return 'resume';
    case 'resume':
      return 'suspend';
    case 'cut-link':
      return 'restore-link';
    case 'restore-link':
      return 'cut-link';
    case 're-image':
      return 'undo-re-image';
    case 'save':
      return 'undo-save';
    case 'quarantine':
    case 'block-flow':
    case 'capture':
    case 'reroute':
      return 'lift';
    case 'alert':
    case 'snapshot':
    case 'memory-dump':
    case 'revert':
    case 'undo-re-image':
    case 'undo-save':
    case 'power-off':
    case 'block':
    case 'kill':
    case 'hold':
    case 'release':
    case 'lift':
    case 'call':
    case 'end-call':
      return null;
  }
}
