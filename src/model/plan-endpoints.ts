// The part of the API's table that is about plans: what would be done, what waits for a person, what is taken back.
import { Type, type Static } from 'typebox';
import { ConfiguredCall } from './configured-call.ts';
import { VmReference } from './declaration.ts';
import { fields, pageFields, pageOf, type Endpoint } from './endpoint.ts';
import { PlanPreview, PlanRun, PlanState } from './plan.ts';
import { Name } from './name.ts';
import { NetworkAction, VmAction } from './remediation.ts';

const ofPlan = fields({ plan: Type.String({ maxLength: 64 }) });

/** What a person may ask for about an alarm. */
export const PersonsAction = Type.Union([VmAction, NetworkAction, Type.Literal('call')]);
export type PersonsAction = Static<typeof PersonsAction>;

export const planEndpoints = {
  listPlans: {
    method: 'GET',
    path: '/plans',
    summary: 'Plans with how far each has come, the latest first',
    query: fields({ vm: Type.Optional(VmReference), state: Type.Optional(PlanState), ...pageFields }),
    reply: pageOf(PlanRun),
  },
  getPlan: { method: 'GET', path: '/plans/:plan', summary: 'One plan, step by step', params: ofPlan, reply: PlanRun },
  previewPlan: {
    method: 'GET',
    path: '/alarms/:alarm/plan',
    summary: 'What the rules, or one action, would do about an alarm now, and why; changes nothing',
    params: fields({ alarm: Type.String({ maxLength: 64 }) }),
    query: fields({ action: Type.Optional(PersonsAction), call: Type.Optional(Name) }),
    reply: PlanPreview,
  },
  listCalls: {
    method: 'GET',
    path: '/calls',
    summary: 'What rules and people may have called outside, and whether it could be called now',
    reply: Type.Array(ConfiguredCall),
  },
  approvePlan: {
    method: 'POST',
    path: '/plans/:plan/approve',
    summary: 'Agree to a plan that waits; its steps begin at once',
    params: ofPlan,
    reply: PlanRun,
  },
  denyPlan: {
    method: 'POST',
    path: '/plans/:plan/deny',
    summary: 'Refuse a plan that waits; nothing of it is done',
    params: ofPlan,
    reply: PlanRun,
  },
  undo: {
    method: 'POST',
    path: '/undo/:answer',
    summary: 'Take back a plan, in reverse order, or one remediation',
    params: fields({ answer: Type.String({ maxLength: 64, description: 'id of a plan or of a remediation' }) }),
    reply: PlanRun,
  },
} as const satisfies Record<string, Endpoint>;
