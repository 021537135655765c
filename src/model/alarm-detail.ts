// An alarm with everything known about it: samples of what was seen, the answers given and those waiting for a person.
import { Type, type Static } from 'typebox';
import { Alarm } from './alarm.ts';
import { ManifestEntry } from './manifest.ts';
import { IsoTime, VmId } from './name.ts';
import { Activity } from './observation.ts';
import { Action, Remediation } from './remediation.ts';
import { RetiredEntry } from './retirement.ts';

/** A rule asked for this answer, and asked that a person agrees first. */
export const PendingAnswer = Type.Object({
  /** The plan it is a step of. */
  plan: Type.String({ maxLength: 64 }),
  action: Action,
  since: IsoTime,
  /** Who agreed; null = still waiting. */
  answeredBy: Type.Union([Type.String(), Type.Null()]),
});
export type PendingAnswer = Static<typeof PendingAnswer>;

export const AlarmDetail = Type.Object({
  alarm: Alarm,
  /** Distinct activities that belong to the alarm, newest last. */
  activities: Type.Array(Activity),
  /** Distinct activities that were seen but are not kept, because the alarm had reached its limit of samples. */
  activitiesDropped: Type.Integer({ minimum: 0 }),
  remediations: Type.Array(Remediation),
  pending: Type.Array(PendingAnswer),
  /** Changes of its service that admitted the same behaviour while their windows were open; nobody took it into the manifest. */
  changes: Type.Array(Type.Object({ id: Type.String(), until: IsoTime })),
  /** Entries that allowed it until a person retired them, since nobody used them. */
  retired: Type.Array(RetiredEntry),
  /** Who closed or allowed it, and when. */
  settled: Type.Union([Type.Object({ by: Type.String(), at: IsoTime }), Type.Null()]),
});
export type AlarmDetail = Static<typeof AlarmDetail>;

/** What allowing an alarm adds to manifests, or would add when it is a preview. */
export const Allowance = Type.Object({
  alarm: Type.String(),
  preview: Type.Boolean(),
  entries: Type.Array(Type.Object({ entry: ManifestEntry, admits: Type.String({ description: 'in words' }) })),
  members: Type.Array(
    Type.Object({ vm: VmId, name: Type.String(), generation: Type.Union([Type.Integer(), Type.Null()]) }),
  ),
  /** Other open alarms that these entries cover too. */
  alsoAllowed: Type.Array(Type.String()),
  notes: Type.Array(Type.String()),
});
export type Allowance = Static<typeof Allowance>;
