// The manager's API as a table: every endpoint with what it takes and what it answers. Events are a stream and stand apart.
import { Type } from 'typebox';
import { AlarmDetail, Allowance } from './alarm-detail.ts';
import { Alarm, AlarmKind, AlarmStatus } from './alarm.ts';
import { Mode, Scope, Service, Sight } from './application.ts';
import { AuditEntry } from './audit-entry.ts';
import { changeEndpoints } from './change-endpoints.ts';
import { Applied, Declaration, VmReference } from './declaration.ts';
import { evidenceEndpoints } from './evidence-endpoints.ts';
import { fields, pageFields, pageOf, type Endpoint } from './endpoint.ts';
import { EntryExplanation } from './entry-explanation.ts';
import { Severity } from './finding.ts';
import { Grouping } from './grouping.ts';
import { Incident } from './incident.ts';
import { Learning, ModeChange } from './learning.ts';
import { ManagerStatus } from './manager-status.ts';
import { Generation, ManifestReading } from './manifest-reading.ts';
import { ManifestDiff } from './manifest.ts';
import { IsoTime, Name } from './name.ts';
import { PersonsAction, planEndpoints } from './plan-endpoints.ts';
import { platformEndpoints } from './platform-endpoints.ts';
import { HeldAnswer, Remediation, RemediationState } from './remediation.ts';
import { retirementEndpoints } from './retirement-endpoints.ts';
import { ResponsePolicy } from './response-policy.ts';
import { Evidence, Rule } from './rule.ts';
import { ScopeReplay } from './scope-replay.ts';
import { VmView } from './vm-view.ts';

const inScope = fields({ scope: Name });
const inService = fields({ scope: Name, service: Name });
const ofVm = fields({ vm: VmReference });
const ofAlarm = fields({ alarm: Type.String({ maxLength: 64 }) });
const description = Type.String({ maxLength: 2000 });
const GenerationNumber = Type.Integer({ minimum: 1 });

const inventory = {
  status: { method: 'GET', path: '/status', summary: 'How the manager and its sentinels are', reply: ManagerStatus },
  listVms: {
    method: 'GET',
    path: '/vms',
    summary: 'All VMs of all hosts, with their scope and the state of their manifest',
    query: fields({ scope: Type.Optional(Name), unassigned: Type.Optional(Type.Boolean()) }),
    reply: Type.Array(VmView),
  },
  getVm: { method: 'GET', path: '/vms/:vm', summary: 'One VM by name, id or pid', params: ofVm, reply: VmView },
  releaseVm: {
    method: 'POST',
    path: '/vms/:vm/release',
    summary: 'Answer the attempt that is held on a VM, so that the VM runs on',
    params: ofVm,
    body: fields({ answer: HeldAnswer }),
    reply: Remediation,
  },
} as const satisfies Record<string, Endpoint>;

const intent = {
  listScopes: { method: 'GET', path: '/scopes', summary: 'All scopes', reply: Type.Array(Scope) },
  createScope: {
    method: 'POST',
    path: '/scopes',
    summary: 'Make a scope; it begins in capture',
    body: fields({ name: Name, description: Type.Optional(description) }),
    reply: Scope,
  },
  getScope: { method: 'GET', path: '/scopes/:scope', summary: 'One scope', params: inScope, reply: Scope },
  changeScope: {
    method: 'PATCH',
    path: '/scopes/:scope',
    summary: 'Describe a scope anew',
    params: inScope,
    body: fields({ description }),
    reply: Scope,
  },
  deleteScope: {
    method: 'DELETE',
    path: '/scopes/:scope',
    summary: 'Remove a scope with its services; the manifests of its members are withdrawn',
    params: inScope,
    reply: Scope,
  },
  createService: {
    method: 'POST',
    path: '/scopes/:scope/services',
    summary: 'Add a service to a scope',
    params: inScope,
    body: fields({ name: Name, description: Type.Optional(description) }),
    reply: Service,
  },
  changeService: {
    method: 'PATCH',
    path: '/scopes/:scope/services/:service',
    summary: 'Describe a service anew, have its members watched more or less closely, or say how far answers may go',
    params: inService,
    body: fields({
      description: Type.Optional(description),
      sight: Type.Optional(Sight),
      response: Type.Optional(ResponsePolicy),
    }),
    reply: Service,
  },
  deleteService: {
    method: 'DELETE',
    path: '/scopes/:scope/services/:service',
    summary: 'Remove a service; the manifests of its members are withdrawn',
    params: inService,
    reply: Service,
  },
  addMember: {
    method: 'POST',
    path: '/scopes/:scope/services/:service/members',
    summary: 'Put a VM into a service; a VM that does not exist yet joins when it appears',
    params: inService,
    body: fields({ vm: VmReference }),
    reply: Service,
  },
  removeMember: {
    method: 'DELETE',
    path: '/scopes/:scope/services/:service/members/:vm',
    summary: 'Take a VM out of a service; its manifest is withdrawn',
    params: fields({ scope: Name, service: Name, vm: VmReference }),
    reply: Service,
  },
  setRules: {
    method: 'PUT',
    path: '/scopes/:scope/services/:service/rules',
    summary: 'Replace the rules of a service',
    params: inService,
    body: fields({ rules: Type.Array(Rule, { maxItems: 100 }) }),
    reply: Service,
  },
  setMode: {
    method: 'PUT',
    path: '/scopes/:scope/mode',
    summary: 'Capture, detect or protect; leaving capture freezes what was learned into signed manifests',
    params: inScope,
    body: fields({
      mode: Mode,
      force: Type.Optional(Type.Boolean({ description: 'freeze although the capture was lossy' })),
    }),
    reply: ModeChange,
  },
  proposeServices: {
    method: 'GET',
    path: '/service-proposals',
    summary: 'VMs in no service that belong together, or to a service there is, and what `apply` takes to make it so',
    query: fields({ scope: Type.Optional(Name) }),
    reply: Grouping,
  },
  learning: {
    method: 'GET',
    path: '/scopes/:scope/learning',
    summary: 'What was learned, how completely, and whether anything new still appears',
    params: inScope,
    reply: Learning,
  },
  replayScope: {
    method: 'GET',
    path: '/scopes/:scope/replay',
    summary: 'What would have alarmed while the scope was learned, under the manifests that would be issued now',
    params: inScope,
    query: fields({
      learnedUntil: Type.Optional(IsoTime),
    }),
    reply: ScopeReplay,
  },
  apply: {
    method: 'POST',
    path: '/apply',
    summary: 'Make scopes, services, members and rules as declared; a second time changes nothing',
    body: fields({
      declaration: Declaration,
      prune: Type.Optional(Type.Boolean({ description: 'remove what is not declared' })),
      preview: Type.Optional(Type.Boolean({ description: 'say what would change, change nothing' })),
    }),
    reply: Applied,
  },
} as const satisfies Record<string, Endpoint>;

const manifests = {
  getManifest: {
    method: 'GET',
    path: '/manifests/:vm',
    summary: 'The manifest of a VM, sealed and read; the newest one unless a generation is given',
    params: ofVm,
    query: fields({ generation: Type.Optional(GenerationNumber) }),
    reply: ManifestReading,
  },
  listGenerations: {
    method: 'GET',
    path: '/manifests/:vm/generations',
    summary: 'Every manifest and withdrawal issued for a VM, newest first',
    params: ofVm,
    reply: Type.Array(Generation),
  },
  explainEntry: {
    method: 'GET',
    path: '/manifests/:vm/entries/:entry',
    summary: 'What one entry of the newest manifest admits beyond what was seen, by examples, and what it rests on',
    params: fields({ vm: VmReference, entry: Type.String({ maxLength: 64 }) }),
    reply: EntryExplanation,
  },
  diffManifest: {
    method: 'GET',
    path: '/manifests/:vm/diff',
    summary: 'What changed between two generations; by default between the last two',
    params: ofVm,
    query: fields({ from: Type.Optional(GenerationNumber), to: Type.Optional(GenerationNumber) }),
    reply: ManifestDiff,
  },
} as const satisfies Record<string, Endpoint>;

const alarms = {
  listAlarms: {
    method: 'GET',
    path: '/alarms',
    summary: 'Alarms, the latest first',
    query: fields({
      status: Type.Optional(AlarmStatus),
      kind: Type.Optional(AlarmKind),
      minSeverity: Type.Optional(Severity),
      scope: Type.Optional(Name),
      service: Type.Optional(Name),
      vm: Type.Optional(VmReference),
      ...pageFields,
    }),
    reply: pageOf(Alarm),
  },
  listIncidents: {
    method: 'GET',
    path: '/incidents',
    summary: 'Open alarms put together by what led to what: one attack is one incident, the gravest first',
    query: fields({ scope: Type.Optional(Name), vm: Type.Optional(VmReference) }),
    reply: Type.Object({
      items: Type.Array(Incident),
      alarmsLeftOut: Type.Integer({ minimum: 0, description: 'older alarms beyond the limit' }),
    }),
  },
  getAlarm: {
    method: 'GET',
    path: '/alarms/:alarm',
    summary: 'One alarm explained: what differs from what is allowed, why it is rated so, what was answered',
    params: ofAlarm,
    reply: AlarmDetail,
  },
  allowAlarm: {
    method: 'POST',
    path: '/alarms/:alarm/allow',
    summary: 'Take the behaviour of an alarm into the manifests of its service',
    params: ofAlarm,
    body: fields({
      member: Type.Optional(VmReference),
      preview: Type.Optional(Type.Boolean({ description: 'show what it would admit, change nothing' })),
    }),
    reply: Allowance,
  },
  respondToAlarm: {
    method: 'POST',
    path: '/alarms/:alarm/respond',
    summary: 'Act on the VM of an alarm, or agree to the answer a rule proposed',
    params: ofAlarm,
    body: fields({
      action: PersonsAction,
      call: Type.Optional(Name),
      evidence: Type.Optional(Evidence),
      snapshot: Type.Optional(
        Type.String({ maxLength: 64, description: 'the snapshot to go back to; only for revert' }),
      ),
    }),
    reply: Remediation,
  },
  closeAlarm: {
    method: 'POST',
    path: '/alarms/:alarm/close',
    summary: 'Close an alarm without allowing its behaviour; seen again, it comes back as a new alarm',
    params: ofAlarm,
    reply: Alarm,
  },
  listRemediations: {
    method: 'GET',
    path: '/remediations',
    summary: 'Answers given, the latest first',
    query: fields({ vm: Type.Optional(VmReference), state: Type.Optional(RemediationState), ...pageFields }),
    reply: pageOf(Remediation),
  },
  getRemediation: {
    method: 'GET',
    path: '/remediations/:remediation',
    summary: 'One answer with what was read back',
    params: fields({ remediation: Type.String({ maxLength: 64 }) }),
    reply: Remediation,
  },
  listAudit: {
    method: 'GET',
    path: '/audit',
    summary: 'Who did what, the latest first',
    query: fields({ subject: Type.Optional(Type.String({ maxLength: 512 })), ...pageFields }),
    reply: pageOf(AuditEntry),
  },
} as const satisfies Record<string, Endpoint>;

export const endpoints = {
  ...inventory,
  ...intent,
  ...manifests,
  ...changeEndpoints,
  ...retirementEndpoints,
  ...alarms,
  ...planEndpoints,
  ...evidenceEndpoints,
  ...platformEndpoints,
} as const satisfies Record<string, Endpoint>;
export type Endpoints = typeof endpoints;
export type EndpointName = keyof Endpoints;

/** Server-sent events: one `Announcement` as JSON in each `data:` line. */
export const eventsPath = '/events';
