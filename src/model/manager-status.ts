// How the manager and its sentinels are: what is running, what was lost, what waits.
import { Type, type Static } from 'typebox';
import { IsoTime } from './name.ts';
import { PlatformHealth } from './platform.ts';

const Count = Type.Integer({ minimum: 0 });

export const SentinelHealth = Type.Object({
  name: Type.String(),
  attached: Type.Boolean(),
  lastBatchAt: Type.Union([IsoTime, Type.Null()]),
  batches: Count,
  repeated: Count,
  vms: Count,
});
export type SentinelHealth = Static<typeof SentinelHealth>;

export const ManagerStatus = Type.Object({
  version: Type.String(),
  startedAt: IsoTime,
  address: Type.Union([Type.String(), Type.Null()]),
  scopes: Type.Object({ capture: Count, detect: Count, protect: Count }),
  vms: Type.Object({ running: Count, paused: Count, unreadable: Count, off: Count, gone: Count, unassigned: Count }),
  alarms: Type.Object({ open: Count, info: Count, minor: Count, serious: Count, critical: Count }),
  pendingAnswers: Count,
  changesOpen: Count,
  manifests: Type.Object({ installed: Count, waiting: Count }),
  sentinels: Type.Array(SentinelHealth),
  platforms: Type.Array(PlatformHealth),
  /** Everything that was refused, dropped or not seen since the manager started (observation losses: since ever). */
  losses: Type.Object({
    observationSeconds: Type.Number({ minimum: 0 }),
    observationsMissed: Count,
    batchesRefused: Count,
    activitiesNotKept: Count,
    admittedNotKept: Count,
    historyDropped: Count,
    usesNotKept: Count,
    traitsNotKept: Count,
    behavioursNotLearned: Count,
    notificationsDropped: Count,
    notificationsFailed: Count,
    eventsDropped: Count,
    eventClientsRefused: Count,
  }),
});
export type ManagerStatus = Static<typeof ManagerStatus>;
