// What the manager tells everybody who listens, after it has been stored: something changed, and where to look.
import { Type, type Static } from 'typebox';
import { Alarm } from './alarm.ts';
import { Delivery } from './delivery.ts';
import { PlanRun } from './plan.ts';
import { Remediation } from './remediation.ts';

export const Announcement = Type.Union([
  Type.Object({ kind: Type.Literal('alarm'), isNew: Type.Boolean(), alarm: Alarm }),
  Type.Object({ kind: Type.Literal('remediation'), remediation: Remediation }),
  Type.Object({ kind: Type.Literal('plan'), run: PlanRun }),
  Type.Object({ kind: Type.Literal('intent'), subject: Type.String() }),
  Type.Object({ kind: Type.Literal('inventory') }),
  Type.Object({ kind: Type.Literal('delivery'), delivery: Delivery }),
]);
export type Announcement = Static<typeof Announcement>;
