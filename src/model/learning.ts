// How complete the picture of a scope is: what was learned, how long was really watched, and whether anything new still appears.
import { Type, type Static } from 'typebox';
import { Mode } from './application.ts';
import { DeviationKind } from './deviation.ts';
import { IsoTime, Name } from './name.ts';
import { Coverage } from './profile.ts';

export const EntryCounts = Type.Object({
  process: Type.Integer(),
  outbound: Type.Integer(),
  inbound: Type.Integer(),
  listen: Type.Integer(),
});
export type EntryCounts = Static<typeof EntryCounts>;

/** New behaviours and repetitions of known ones within one minute. */
export const LearningMinute = Type.Object({
  minute: IsoTime,
  newBehaviours: Type.Integer({ minimum: 0 }),
  repetitions: Type.Integer({ minimum: 0 }),
});
export type LearningMinute = Static<typeof LearningMinute>;

/** Sums over the members of a service. */
export const Completeness = Type.Object({
  entries: Type.Integer({ minimum: 0 }),
  observedSeconds: Type.Number({ minimum: 0 }),
  lossSeconds: Type.Number({ minimum: 0 }),
  missed: Type.Integer({ minimum: 0 }),
  /** Learned entries that wait for a person, and stand in no manifest until then. */
  held: Type.Integer({ minimum: 0 }),
  /** When a behaviour was last seen for the first time; null = nothing learned. */
  lastNewAt: Type.Union([IsoTime, Type.Null()]),
  /** What speaks against freezing this picture, in words; empty = nothing does. */
  doubts: Type.Array(Type.String()),
});
export type Completeness = Static<typeof Completeness>;

/** How well one kind of behaviour is known, from how often each was seen. */
export const KnownKind = Type.Object({
  kind: DeviationKind,
  entries: Type.Integer({ minimum: 0 }),
  /** How many there seem to be, seen and unseen (Chao1). */
  richness: Type.Number({ minimum: 0 }),
  /** The probability that the next activity of the kind is a new one (Good-Turing). */
  missingMass: Type.Number({ minimum: 0, maximum: 1 }),
});
export type KnownKind = Static<typeof KnownKind>;

/** New behaviours that the next day will show, of all members together. */
export const DayForecast = Type.Object({
  /** Days watched without loss, of all members together. */
  memberDays: Type.Number({ minimum: 0 }),
  newPerDay: Type.Number({ minimum: 0 }),
  /** 95 %. */
  low: Type.Number({ minimum: 0 }),
  high: Type.Number({ minimum: 0 }),
  /** However quiet it was, so short a time claims no less: 3 / observed member-days for each member. */
  least: Type.Number({ minimum: 0 }),
});
export type DayForecast = Static<typeof DayForecast>;

export const ServiceLearning = Type.Object({
  service: Name,
  entries: EntryCounts,
  completeness: Completeness,
  kinds: Type.Array(KnownKind),
  /** Null = nobody was watched. */
  forecast: Type.Union([DayForecast, Type.Null()]),
  /** Jobs of a calendar that is followed and whose turn has not come. */
  due: Type.Array(Type.Object({ place: Type.String(), period: Type.String(), because: Type.String() })),
  coverage: Type.Array(Coverage),
  curve: Type.Array(LearningMinute),
});
export type ServiceLearning = Static<typeof ServiceLearning>;

export const Learning = Type.Object({ scope: Name, mode: Mode, services: Type.Array(ServiceLearning) });
export type Learning = Static<typeof Learning>;

/** What changing a scope's mode did. */
export const ModeChange = Type.Object({
  scope: Name,
  from: Mode,
  to: Mode,
  services: Type.Array(
    Type.Object({
      service: Name,
      completeness: Completeness,
      issued: Type.Array(Type.Object({ vm: Type.String(), name: Type.String(), generation: Type.Integer() })),
    }),
  ),
  notes: Type.Array(Type.String()),
});
export type ModeChange = Static<typeof ModeChange>;
