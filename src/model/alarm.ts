// Findings grouped as an operator sees them.
import { Type, type Static } from 'typebox';
import { Finding, Severity } from './finding.ts';
import { IsoTime, VmId } from './name.ts';

/** open; allowed = now in the manifest; closed by a person. */
export const AlarmStatus = Type.Enum(['open', 'allowed', 'closed']);
export type AlarmStatus = Static<typeof AlarmStatus>;

/** `deviation` is behaviour outside the manifest; `guard` is Plumbline's own: a tampered manifest, a rollback, a VM that went blind. */
export const AlarmKind = Type.Enum(['deviation', 'guard']);
export type AlarmKind = Static<typeof AlarmKind>;

export const Alarm = Type.Object({
  id: Type.String({ maxLength: 64 }),
  kind: AlarmKind,
  vm: VmId,
  vmName: Type.String(),
  scope: Type.Union([Type.String(), Type.Null()]),
  service: Type.Union([Type.String(), Type.Null()]),
  /** One line: what happened. */
  title: Type.String({ maxLength: 1000 }),
  severity: Severity,
  risk: Type.Number(),
  status: AlarmStatus,
  firstAt: IsoTime,
  lastAt: IsoTime,
  count: Type.Integer({ minimum: 1 }),
  group: Type.String({ maxLength: 64 }),
  /** The finding with the highest risk; null for a guard alarm, whose title says all. */
  finding: Type.Union([Finding, Type.Null()]),
  remediations: Type.Array(Type.String(), { description: 'ids of the answers given' }),
});
export type Alarm = Static<typeof Alarm>;
