// The part of the API's table that is about remote platforms, and about acting on a VM without an alarm.
import { Type } from 'typebox';
import { VmReference } from './declaration.ts';
import { fields, type Endpoint } from './endpoint.ts';
import { Name } from './name.ts';
import { PersonsAction } from './plan-endpoints.ts';
import { PlanPreview } from './plan.ts';
import { PlatformHealth, PlatformSight } from './platform.ts';
import { Remediation } from './remediation.ts';

const SnapshotToGoBackTo = Type.Optional(
  Type.String({ maxLength: 64, description: 'the snapshot to go back to; only for revert' }),
);
const ofVm = fields({ vm: VmReference });

export const platformEndpoints = {
  listPlatforms: {
    method: 'GET',
    path: '/platforms',
    summary: 'Remote platforms: whether each answers, what it can do, and what it could not say',
    reply: Type.Array(PlatformHealth),
  },
  listPlatformVms: {
    method: 'GET',
    path: '/platforms/:platform/vms',
    summary: 'The VMs of a platform as it said last',
    params: fields({ platform: Name }),
    reply: Type.Array(PlatformSight),
  },
  previewAct: {
    method: 'GET',
    path: '/vms/:vm/plan',
    summary: 'What an action would do to a VM now, by whom and why; changes nothing',
    params: ofVm,
    query: fields({ action: PersonsAction, snapshot: SnapshotToGoBackTo }),
    reply: PlanPreview,
  },
  actOnVm: {
    method: 'POST',
    path: '/vms/:vm/act',
    summary: 'Act on any VM at a person’s word; the state is read back',
    params: ofVm,
    body: fields({
      action: PersonsAction,
      evidence: Type.Optional(Type.Enum(['first', 'none'])),
      snapshot: SnapshotToGoBackTo,
      why: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
    }),
    reply: Remediation,
  },
} as const satisfies Record<string, Endpoint>;
