// An answer to a deviation: planned, carried out, verified by reading back, and how to undo it.
import { Type, type Static } from 'typebox';
import { IsoTime, Name, VmId } from './name.ts';
import { NetworkMeasure } from './network-measure.ts';

const hypervisorActions = [
  'suspend',
  'resume',
  'snapshot',
  'memory-dump',
  'cut-link',
  'restore-link',
  'revert',
  're-image',
  'undo-re-image',
  'save',
  'undo-save',
  'power-off',
] as const;

export const vmActions = ['alert', ...hypervisorActions] as const;
/** What can be done to a whole VM; `alert` does nothing to it. */
export const VmAction = Type.Enum([...vmActions]);
export type VmAction = Static<typeof VmAction>;

export const inlineActions = ['block', 'kill', 'hold'] as const;
/**
 * What is answered at the very attempt, inside the guest, before it happens. block = the call fails; kill = the process ends
 * as well; hold = the VM stands still until a person decides, and the call fails when nobody does in time.
 */
export const InlineAction = Type.Enum([...inlineActions]);
export type InlineAction = Static<typeof InlineAction>;

export const networkActions = ['quarantine', 'block-flow', 'capture', 'reroute'] as const;
/** What is done about a VM on the network, outside it: the kinds of `NetworkMeasure`. */
export const NetworkAction = Type.Enum([...networkActions]);
export type NetworkAction = Static<typeof NetworkAction>;

export const callActions = ['call', 'end-call'] as const;

/**
 * release = the answer to an attempt that is held; lift = take back a measure on the network; call = tell or ask something
 * outside, which changes nothing about the VM; end-call = close what a call opened there.
 */
export const Action = Type.Enum([...vmActions, ...inlineActions, ...networkActions, 'release', 'lift', ...callActions]);
export type Action = Static<typeof Action>;

export const plannedActions = [...hypervisorActions, ...networkActions, 'lift', 'call'] as const;
/** What a plan can be made of: everything that changes a VM or its network from outside, and calls. */
export const PlannedAction = Type.Enum([...plannedActions]);
export type PlannedAction = Static<typeof PlannedAction>;

/** What a held attempt may be answered. */
export const HeldAnswer = Type.Enum(['allow', 'block', 'kill']);
export type HeldAnswer = Static<typeof HeldAnswer>;

/** One act of a plan. The executor has no choice left: one action on one VM, what must be true afterwards, what takes it back. */
export const Step = Type.Object({
  id: Type.String({ maxLength: 64, description: 'made from its cause, so that the same cause gives the same step' }),
  vm: VmId,
  action: Action,
  why: Type.String({ maxLength: 1000 }),
  expect: Type.String({
    description:
      'what is read back: paused, running, snapshot NAME exists, memory kept, links down, links up, back at NAME, on a fresh image, on its own disk, saved and off, on again, gone, refused, ended, decided, in force, lifted, answered, closed',
  }),
  undo: Type.Union([Action, Type.Null()]),
  /** Name of the snapshot to make, or to go back to; only for actions snapshot and revert. */
  snapshot: Type.Optional(Type.String({ maxLength: 64 })),
  /** The golden image whose copy the VM is started on: its absolute path on the VM's host; only for action re-image. */
  image: Type.Optional(Type.String({ maxLength: 1024 })),
  /** Names of the cards whose links come up again, as their hypervisor has them; absent = all; only for action restore-link. */
  cards: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64 })),
  /** What the held attempt is answered; only for action release. */
  answer: Type.Optional(HeldAnswer),
  /** What the switch is given; only for actions on the network. */
  measure: Type.Optional(NetworkMeasure),
  /** The name under which the switch keeps the measure, a call is known, or a disk that is made is called, the same for every attempt; the step's own id when absent. */
  key: Type.Optional(Type.String({ maxLength: 64 })),
  /** The name of the measure, the call or the fresh disk that is taken back; only for actions lift, end-call and undo-re-image. */
  lifts: Type.Optional(Type.String({ maxLength: 64 })),
  /** Which of the configured calls; only for actions call and end-call. */
  call: Type.Optional(Name),
});
export type Step = Static<typeof Step>;

/** unconfirmed = carried out, but reading back did not show it: never reported as done. */
export const RemediationState = Type.Enum(['planned', 'executing', 'done', 'unconfirmed', 'failed']);
export type RemediationState = Static<typeof RemediationState>;

export const Remediation = Type.Object({
  id: Type.String({ maxLength: 64 }),
  step: Step,
  /** The plan it is a step of; absent = it stands alone. */
  plan: Type.Optional(Type.String({ maxLength: 64 })),
  /** The remote platform through which it was carried out; absent = the VM's sentinel. */
  platform: Type.Optional(Type.String({ maxLength: 64 })),
  /** standing-order = the sentinel alone, or, for a call, a rule alone; person = somebody asked for it; inline = at the attempt itself, inside the guest. */
  origin: Type.Enum(['standing-order', 'person', 'inline']),
  by: Type.String({ maxLength: 256 }),
  alarm: Type.Union([Type.String({ maxLength: 64 }), Type.Null()]),
  /** Alarm group key of the finding that caused it; joins it to its alarm. */
  group: Type.Union([Type.String({ maxLength: 64 }), Type.Null()]),
  state: RemediationState,
  /** What was read back, in the hypervisor's words. */
  evidence: Type.String({ maxLength: 4000 }),
  /** What a call opened, by the name its receiver gave it: a ticket's key. */
  result: Type.Optional(Type.String({ maxLength: 128 })),
  startedAt: IsoTime,
  endedAt: Type.Union([IsoTime, Type.Null()]),
});
export type Remediation = Static<typeof Remediation>;
