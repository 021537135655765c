// Who did what to which thing, and how it ended. Written before and after, never changed.
import { Type, type Static } from 'typebox';
import { IsoTime } from './name.ts';

export const AuditEntry = Type.Object({
  seq: Type.Integer(),
  at: IsoTime,
  by: Type.String({ maxLength: 256 }),
  verb: Type.String({
    maxLength: 64,
    description: 'scope.create, mode.set, manifest.issue, alarm.allow, remediation.start ...',
  }),
  subject: Type.String({ maxLength: 512 }),
  outcome: Type.Enum(['begun', 'done', 'failed']),
  detail: Type.String({ maxLength: 4000 }),
});
export type AuditEntry = Static<typeof AuditEntry>;
