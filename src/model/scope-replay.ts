// What would have alarmed, had a scope been judged while it was learned: asked before it is.
import { Type, type Static } from 'typebox';
import { Severity } from './finding.ts';
import { IsoTime, Name, VmId } from './name.ts';

const Count = Type.Integer({ minimum: 0 });

export const ServiceReplay = Type.Object({
  service: Name,
  /** From the first to the last activity that was asked about; null = none is kept. */
  period: Type.Union([Type.Object({ from: IsoTime, until: IsoTime }), Type.Null()]),
  judged: Count,
  deviations: Count,
  /** Findings that would have been one alarm, the gravest first. */
  alarms: Type.Array(
    Type.Object({
      vm: VmId,
      vmName: Type.String(),
      title: Type.String(),
      severity: Severity,
      risk: Type.Number(),
      count: Type.Integer({ minimum: 1 }),
      firstAt: IsoTime,
      lastAt: IsoTime,
    }),
  ),
  alarmsDropped: Count,
});
export type ServiceReplay = Static<typeof ServiceReplay>;

export const ScopeReplay = Type.Object({
  scope: Name,
  /** Only what was learned before then was believed; null = all that was learned. */
  learnedUntil: Type.Union([IsoTime, Type.Null()]),
  services: Type.Array(ServiceReplay),
  notes: Type.Array(Type.String()),
});
export type ScopeReplay = Static<typeof ScopeReplay>;
