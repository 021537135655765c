// An answer as a whole: ordered steps from one cause, why these and not others, who must agree, and how far it has come.
import { Type, type Static } from 'typebox';
import { IsoTime, VmId } from './name.ts';
import { PlannedAction, Step } from './remediation.ts';

/** What can be done about one VM here and now; what cannot comes with the reason. */
export const Ability = Type.Object({
  action: PlannedAction,
  available: Type.Boolean(),
  /** Why not; of what can be done, why by this one, or at what price. */
  why: Type.Union([Type.String({ maxLength: 2000 }), Type.Null()]),
  /** Who can: a sentinel or a platform, by name. Absent = nobody was compared. */
  by: Type.Optional(Type.String({ maxLength: 300 })),
});
export type Ability = Static<typeof Ability>;

/** covered = something stronger, or the same, is in force or in the plan already. */
export const Decision = Type.Object({
  action: PlannedAction,
  verdict: Type.Enum(['chosen', 'replaced', 'covered', 'left-out']),
  why: Type.String({ maxLength: 1000 }),
});
export type Decision = Static<typeof Decision>;

const Id = Type.String({ maxLength: 64 });

export const Plan = Type.Object({
  id: Type.String({ maxLength: 64, description: 'made from its cause, so that the same cause gives the same plan' }),
  vm: VmId,
  alarm: Type.Union([Id, Type.Null()]),
  group: Type.Union([Id, Type.Null()]),
  by: Type.String({ maxLength: 256, description: 'the person who asked for it, or rules' }),
  origin: Type.Enum(['rule', 'person']),
  why: Type.String({ maxLength: 1000 }),
  /** In the order in which they are taken: isolate, collect, stop. */
  steps: Type.Array(Step, { maxItems: 16 }),
  decisions: Type.Array(Decision, { maxItems: 64 }),
  consent: Type.Enum(['automatic', 'approval']),
  /** Why a person is asked although the rule is automatic; empty otherwise. */
  objections: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 16 }),
  /** Until when a person may answer, and what counts when nobody did. */
  deadline: Type.Union([IsoTime, Type.Null()]),
  unanswered: Type.Enum(['deny', 'approve']),
  dryRun: Type.Boolean(),
  /** Minutes after which its steps are undone; null = they stay. */
  expiresMinutes: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  /** How often a step is tried before it counts as failed. */
  attemptsMax: Type.Integer({ minimum: 1, maximum: 10 }),
  madeAt: IsoTime,
});
export type Plan = Static<typeof Plan>;

/** left = not tried, since what had to come before did not succeed; kept = it cannot be taken back. */
export const StepState = Type.Enum([
  'waiting',
  'begun',
  'done',
  'unconfirmed',
  'failed',
  'left',
  'covered',
  'undo-begun',
  'undone',
  'kept',
]);
export type StepState = Static<typeof StepState>;

export const StepRun = Type.Object({
  state: StepState,
  /** How often it was begun or taken back; never falls, so that each attempt has a name of its own. */
  attempts: Type.Integer({ minimum: 0 }),
  /** What `attempts` was when it began to go in this direction. */
  attemptsBefore: Type.Integer({ minimum: 0 }),
  /** How often no answer came to the attempt under way. */
  silences: Type.Integer({ minimum: 0 }),
  /** Not tried again before then. */
  notBefore: Type.Union([IsoTime, Type.Null()]),
  /** Id of the newest remediation made of it. */
  remediation: Type.Union([Id, Type.Null()]),
  evidence: Type.String({ maxLength: 4000 }),
});
export type StepRun = Static<typeof StepRun>;

export const planStates = [
  'waiting-approval',
  'executing',
  'done',
  'unconfirmed',
  'failed',
  'undoing',
  'undone',
  'denied',
  'expired',
  'dry-run',
] as const;
/** expired = nobody agreed in time, or it could not be begun while it still made sense. */
export const PlanState = Type.Enum([...planStates]);
export type PlanState = Static<typeof PlanState>;

export const PlanRun = Type.Object({
  plan: Plan,
  state: PlanState,
  steps: Type.Array(StepRun, { maxItems: 16 }),
  /** Who agreed or refused; null = nobody was asked, or nobody has answered. */
  decidedBy: Type.Union([Type.String({ maxLength: 256 }), Type.Null()]),
  /** Who had it undone; null = nobody. */
  undoneBy: Type.Union([Type.String({ maxLength: 256 }), Type.Null()]),
  /** When it began to be carried out. */
  beganAt: Type.Union([IsoTime, Type.Null()]),
  /** When its steps are to be undone by themselves. */
  expiresAt: Type.Union([IsoTime, Type.Null()]),
  /** What there is to say about how it ended. */
  note: Type.String({ maxLength: 1000 }),
  changedAt: IsoTime,
});
export type PlanRun = Static<typeof PlanRun>;

/** What would be done about an alarm, or to a VM; nothing was changed by asking. */
export const PlanPreview = Type.Object({
  /** Null = it was asked about a VM. */
  alarm: Type.Union([Id, Type.Null()]),
  proposals: Type.Array(
    Type.Object({ plan: Type.Union([Plan, Type.Null()]), decisions: Type.Array(Decision, { maxItems: 64 }) }),
  ),
});
export type PlanPreview = Static<typeof PlanPreview>;
