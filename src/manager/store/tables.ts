// The tables as TypeScript sees them. A value that is only ever read whole stands as JSON in `doc`; what is searched or
// sorted by stands beside it. `migrations.ts` makes them.
import type { Kysely } from 'kysely';
import type { PlatformVm } from '../../connectors/enforcement/platform.ts';
import type { Alarm, AlarmKind, AlarmStatus } from '../../model/alarm.ts';
import type { Mode, Sight } from '../../model/application.ts';
import type { AuditEntry } from '../../model/audit-entry.ts';
import type { ChangeCause, ChangeWindow } from '../../model/change.ts';
import type { EvidenceItem } from '../../model/evidence.ts';
import type { EntryVerdict } from '../../model/held-entry.ts';
import type { ManifestEntry, SealedManifest } from '../../model/manifest.ts';
import type { RetiredEntry } from '../../model/retirement.ts';
import type { Activity, Observed } from '../../model/observation.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import type { PlanRun, PlanState } from '../../model/plan.ts';
import type { Remediation, RemediationState } from '../../model/remediation.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import type { Rule } from '../../model/rule.ts';
import type { Vm } from '../../model/vm.ts';
import type { Discoveries } from '../../stages/learn/discoveries.ts';
import type { AdmittedBehaviour } from './changes.ts';
import type { Doc } from './doc.ts';
import type { PlatformMeasure } from './platform-measures.ts';
import type { StoredUse } from './entry-uses.ts';
import type { StoredTrait } from './vm-traits.ts';

type Text<T extends string = string> = T;
type IssueKind = 'manifest' | 'withdrawal';

export interface Tables {
  vms: { id: Text; name: Text; host: Text; sentinel: Text; pid: number | null; state: Text; doc: Doc<Vm> };
  scopes: { name: Text; description: Text; mode: Text<Mode>; modeSince: Text };
  services: {
    scope: Text;
    name: Text;
    description: Text;
    rules: Doc<readonly Rule[]>;
    sight: Text<Sight>;
    response: Doc<ResponsePolicy> | null;
  };
  /** `reference` = how a person named it; `vm` is null until a VM of that name or id appears. */
  members: { scope: Text; service: Text; reference: Text; vm: Text | null; name: Text };
  profileEntries: { scope: Text; service: Text; id: Text; kind: Text; firstAt: Text; doc: Doc<ProfileEntry> };
  /** While in capture: what counts towards a profile. */
  coverage: { scope: Text; service: Text; vm: Text; observedSeconds: number; lossSeconds: number; missed: number };
  /** In every mode: how well each VM was ever watched. */
  watched: { vm: Text; observedSeconds: number; lossSeconds: number; missed: number };
  curve: { scope: Text; service: Text; minute: Text; newBehaviours: number; repetitions: number };
  /** How each service's behaviours were met for the first time. */
  discoveries: { scope: Text; service: Text; doc: Doc<Discoveries> };
  /** `key` tells distinct activities of one hour apart. */
  history: { scope: Text; service: Text; vm: Text; hour: Text; key: Text; doc: Doc<Observed> };
  drawn: { scope: Text; service: Text; entry: Text; times: number };
  /** `vm` is empty for an approval that holds for the whole service. */
  approvals: { scope: Text; service: Text; vm: Text; id: Text; doc: Doc<ManifestEntry> };
  issues: {
    vm: Text;
    generation: number;
    kind: Text<IssueKind>;
    mode: Text<Mode> | null;
    scope: Text | null;
    service: Text | null;
    entries: number;
    reason: Text;
    issuedAt: Text;
    envelope: Doc<SealedManifest>;
  };
  /** One row for each VM that ever had an issue: what should be in force and what the sentinel confirmed. */
  deliveries: {
    vm: Text;
    generation: number;
    kind: Text<IssueKind>;
    mode: Text<Mode> | null;
    installed: number | null;
    why: Text | null;
    attempts: number;
    issuedAt: Text;
  };
  alarms: {
    id: Text;
    kind: Text<AlarmKind>;
    vm: Text;
    scope: Text | null;
    service: Text | null;
    groupKey: Text;
    status: Text<AlarmStatus>;
    severityRank: number;
    lastAt: Text;
    settledBy: Text | null;
    settledAt: Text | null;
    activitiesDropped: number;
    doc: Doc<Alarm>;
  };
  alarmActivities: { alarm: Text; key: Text; seenAt: Text; doc: Doc<Activity> };
  plans: {
    id: Text;
    vm: Text;
    alarm: Text | null;
    state: Text<PlanState>;
    /** 1 = something may still happen to it by itself. */
    isOpen: number;
    madeAt: Text;
    doc: Doc<PlanRun>;
  };
  remediations: {
    id: Text;
    vm: Text;
    alarm: Text | null;
    groupKey: Text | null;
    state: Text<RemediationState>;
    startedAt: Text;
    doc: Doc<Remediation>;
  };
  audit: {
    seq: number;
    at: Text;
    by: Text;
    verb: Text;
    subject: Text;
    outcome: Text<AuditEntry['outcome']>;
    detail: Text;
  };
  /** `vm` is empty for a change that holds for the whole service. */
  changes: {
    id: Text;
    scope: Text;
    service: Text;
    vm: Text;
    cause: Text<ChangeCause>;
    by: Text;
    fromAt: Text;
    until: Text;
    closedBy: Text | null;
    closedAt: Text | null;
    notKept: number;
    doc: Doc<ChangeWindow>;
  };
  /** What each change admitted. */
  admitted: { change: Text; entry: Text; doc: Doc<AdmittedBehaviour> };
  /** What people decided about entries that waited. */
  decisions: { scope: Text; service: Text; entry: Text; verdict: Text<EntryVerdict>; by: Text; at: Text };
  /** `reportedAs` = the id its sentinel knows it by. */
  evidence: {
    id: Text;
    host: Text;
    reportedAs: Text;
    vm: Text;
    step: Text;
    state: Text<EvidenceItem['state']>;
    sizeBytes: number;
    madeAt: Text;
    doc: Doc<EvidenceItem>;
  };
  evidenceHolds: { subject: Text; by: Text; at: Text };
  /** What remote platforms say of their VMs; `id` is the platform's own, `vm` is ours. */
  platformVms: { platform: Text; id: Text; vm: Text; doc: Doc<PlatformVm> };
  /** Measures on the network that are held through a platform, by VM and the name they are kept under there. */
  platformMeasures: { vm: Text; key: Text; platform: Text; doc: Doc<PlatformMeasure> };
  /** When entries of manifests were used, as sentinels told. */
  entryUses: { scope: Text; service: Text; entry: Text; doc: Doc<StoredUse> };
  /** How much of each day was watched by sentinels that tell which entries are used. */
  useWatch: { scope: Text; service: Text; vm: Text; day: Text; seconds: number };
  /** Entries that people took out because nobody used them. */
  retirements: { scope: Text; service: Text; entry: Text; at: Text; doc: Doc<RetiredEntry> };
  /** What each VM was seen to show. */
  vmTraits: { vm: Text; doc: Doc<readonly StoredTrait[]> };
  sentinels: { name: Text; lastBatchAt: Text | null; batches: number; repeated: number };
  /** Which batches are stored, by number and content. */
  batches: { sentinel: Text; seq: number; digest: Text };
}

/** Either the whole database or a transaction on it: queries do not care. */
export type Db = Kysely<Tables>;
