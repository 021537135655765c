// What the planner knows of each action: where it stands in a plan, what it costs, what takes it back, what can stand in for it.
import { type Action, type PlannedAction, plannedActions } from '../../model/remediation.ts';

export interface ActionTraits {
  /** Plans isolate first, then tell, collect evidence, and stop; lifting is a plan of its own. What tells holds nothing up. */
  readonly phase: 'isolate' | 'tell' | 'collect' | 'stop' | 'lift';
  /** The VM's users lose it: counted against limits, held back in quiet hours. */
  readonly disruptive: boolean;
  /** Nothing of what was in memory can be had afterwards. */
  readonly destroys: boolean;
  /** What need not be done any more while this is in force. */
  readonly covers: readonly PlannedAction[];
  /** What reaches the same end where this cannot be done; the nearest first. */
  readonly instead: readonly PlannedAction[];
  /** What it takes back: the two are words about the same thing, of which one holds. */
  readonly reverses: PlannedAction | null;
  /** After so many minutes it is undone by itself, unless the rule says otherwise. */
  readonly expiresMinutes: number | null;
}

const nothing = { disruptive: false, destroys: false, covers: [], instead: [], reverses: null, expiresMinutes: null };

export const actionTraits: Readonly<Record<PlannedAction, ActionTraits>> = {
  quarantine: {
    ...nothing,
    phase: 'isolate',
    disruptive: true,
    covers: ['block-flow', 'reroute'],
    instead: ['cut-link', 'suspend'],
  },
  // Management goes with the rest.
  'cut-link': {
    ...nothing,
    phase: 'isolate',
    disruptive: true,
    covers: ['quarantine', 'block-flow', 'reroute'],
    instead: ['quarantine', 'suspend'],
  },
  'block-flow': { ...nothing, phase: 'isolate', instead: ['quarantine', 'cut-link', 'suspend'], expiresMinutes: 60 },
  reroute: { ...nothing, phase: 'isolate' },
  capture: { ...nothing, phase: 'collect' },
  snapshot: { ...nothing, phase: 'collect' },
  'memory-dump': { ...nothing, phase: 'collect' },
  suspend: { ...nothing, phase: 'stop', disruptive: true },
  'power-off': {
    ...nothing,
    phase: 'stop',
    disruptive: true,
    destroys: true,
    covers: ['suspend', 'save'],
    instead: ['suspend'],
  },
  // Its memory is kept, and outlives the host.
  save: { ...nothing, phase: 'stop', disruptive: true, covers: ['suspend'], instead: ['suspend'] },
  // What happened since is lost, in memory and on the disks.
  revert: { ...nothing, phase: 'stop', disruptive: true, destroys: true },
  // Its disk is kept; what was in memory is lost.
  're-image': { ...nothing, phase: 'stop', disruptive: true, destroys: true },
  'undo-re-image': { ...nothing, phase: 'lift', reverses: 're-image' },
  'undo-save': { ...nothing, phase: 'lift', reverses: 'save' },
  resume: { ...nothing, phase: 'lift', reverses: 'suspend' },
  'restore-link': { ...nothing, phase: 'lift', reverses: 'cut-link' },
  lift: { ...nothing, phase: 'lift' },
  call: { ...nothing, phase: 'tell' },
};

export const phaseOrder = [
  'lift',
  'isolate',
  'tell',
  'collect',
  'stop',
] as const satisfies readonly ActionTraits['phase'][];

/** Whether an action has its VM counted against the limits; what acts inside the guest has not. */
export function isDisruptive(action: Action): boolean {
  const planned = plannedActions.find((it) => it === action);
  return planned !== undefined && actionTraits[planned].disruptive;
}
