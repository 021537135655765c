// Alarms that belong to one happening, with the tree of what led to what: one attack is one incident, on however many members.
import { Type, type Static } from 'typebox';
import { Severity } from './finding.ts';
import { IsoTime, VmId } from './name.ts';

/** Why an alarm stands in the incident beside the one above it. */
export const IncidentLink = Type.Enum([
  'first',
  'started',
  'owns-socket',
  'connected',
  'same-server',
  'same-program',
  'at-the-time',
]);
export type IncidentLink = Static<typeof IncidentLink>;

/** One deed in the tree, which is told from the top down: what stands below with a greater depth came of it. */
export const IncidentStep = Type.Object({
  depth: Type.Integer({ minimum: 0 }),
  link: IncidentLink,
  at: IsoTime,
  vm: VmId,
  vmName: Type.String(),
  alarm: Type.String(),
  says: Type.String(),
});
export type IncidentStep = Static<typeof IncidentStep>;

export const Incident = Type.Object({
  /** The id of its first alarm. */
  id: Type.String(),
  /** Of its gravest alarm. */
  title: Type.String(),
  severity: Severity,
  risk: Type.Number(),
  firstAt: IsoTime,
  lastAt: IsoTime,
  members: Type.Array(Type.Object({ vm: VmId, name: Type.String() })),
  alarms: Type.Array(Type.String(), { description: 'ids, in the order in which they began' }),
  steps: Type.Array(IncidentStep),
  /** Deeds that found no room in the tree. */
  stepsDropped: Type.Integer({ minimum: 0 }),
});
export type Incident = Static<typeof Incident>;
