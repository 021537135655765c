// How the API introduces itself in openapi.json, and how the document is made short: each noun stands once, under its name.
import { canonicalJson, type Json } from '../../kit/canonical-json.ts';
import type { TSchema } from 'typebox';
import { AlarmDetail, Allowance, PendingAnswer } from '../../model/alarm-detail.ts';
import { Alarm } from '../../model/alarm.ts';
import { Announcement } from '../../model/announcement.ts';
import { Member, Mode, Scope, Service } from '../../model/application.ts';
import { AuditEntry } from '../../model/audit-entry.ts';
import { Change, ChangeWindow } from '../../model/change.ts';
import { Behaviour } from '../../model/behaviour.ts';
import { Applied, Declaration } from '../../model/declaration.ts';
import { Delivery } from '../../model/delivery.ts';
import { Deviation } from '../../model/deviation.ts';
import { ProblemReply } from '../../model/endpoint.ts';
import {
  BundleMember,
  CollectedItem,
  EvidenceHold,
  EvidenceIndex,
  EvidenceItem,
  EvidenceView,
  TimelineEntry,
} from '../../model/evidence.ts';
import { Finding, Severity } from '../../model/finding.ts';
import { EntryExplanation } from '../../model/entry-explanation.ts';
import { Decided, EntryDecision, HeldEntry } from '../../model/held-entry.ts';
import { Incident, IncidentStep } from '../../model/incident.ts';
import { Completeness, DayForecast, KnownKind, Learning, ModeChange } from '../../model/learning.ts';
import { ManagerStatus } from '../../model/manager-status.ts';
import { Generation, ManifestReading } from '../../model/manifest-reading.ts';
import { Manifest, ManifestDiff, ManifestEntry, SealedManifest } from '../../model/manifest.ts';
import { Activity } from '../../model/observation.ts';
import { Coverage } from '../../model/profile.ts';
import { Ability, Plan, PlanPreview, PlanRun } from '../../model/plan.ts';
import { PlatformHealth, PlatformSight } from '../../model/platform.ts';
import { Action, Step, Remediation, VmAction } from '../../model/remediation.ts';
import { ResponsePolicy } from '../../model/response-policy.ts';
import { Rule } from '../../model/rule.ts';
import { HeldAttempt, TraceState } from '../../model/vm.ts';
import { VmView } from '../../model/vm-view.ts';

const nouns: Readonly<Record<string, TSchema>> = {
  Ability,
  Action,
  Activity,
  Alarm,
  AlarmDetail,
  Allowance,
  Announcement,
  Applied,
  AuditEntry,
  Behaviour,
  BundleMember,
  Change,
  ChangeWindow,
  CollectedItem,
  Completeness,
  DayForecast,
  Incident,
  IncidentStep,
  KnownKind,
  Coverage,
  Decided,
  Declaration,
  Delivery,
  Deviation,
  EntryDecision,
  EntryExplanation,
  EvidenceHold,
  EvidenceIndex,
  EvidenceItem,
  EvidenceView,
  Finding,
  Generation,
  HeldAttempt,
  HeldEntry,
  Learning,
  ManagerStatus,
  Manifest,
  ManifestDiff,
  ManifestEntry,
  ManifestReading,
  Member,
  Mode,
  ModeChange,
  PendingAnswer,
  Plan,
  PlanPreview,
  PlanRun,
  PlatformHealth,
  PlatformSight,
  Problem: ProblemReply,
  Remediation,
  ResponsePolicy,
  Rule,
  Scope,
  SealedManifest,
  Service,
  Severity,
  Step,
  TimelineEntry,
  TraceState,
  VmAction,
  VmView,
};

export function describeApi(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Plumbline manager',
      version,
      description:
        'Answers on 127.0.0.1 only, to who sends `Authorization: Bearer` with the token of its state directory. Errors are Problems: what could not be done, and what can be done about it.',
    },
    components: { securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } } },
    security: [{ token: [] }],
  };
}

/** The document with every noun replaced by a reference to its one definition. */
export function shortenDocument(document: Json): Json {
  const names = new Map(Object.entries(nouns).map(([name, schema]) => [canonicalJson(plain(schema)), name]));
  const replace = (node: Json, isRoot: boolean): Json => {
    if (node === null || typeof node !== 'object') return node;
    const name = isRoot ? undefined : names.get(canonicalJson(node));
    if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
    if (isList(node)) return node.map((item) => replace(item, false));
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => [key, value === undefined ? null : replace(value, false)]),
    );
  };
  const whole = replace(document, true) as { readonly [key: string]: Json };
  const schemas = Object.fromEntries(
    Object.entries(nouns).map(([name, schema]) => [name, replace(plain(schema), true)]),
  );
  return { ...whole, components: { ...(whole['components'] as object), schemas } };
}

function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema), constAsEnum) as Json;
}

/** @fastify/swagger writes a constant as an enumeration of one; the nouns must look the same to be recognised. */
function constAsEnum(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('const' in value)) return value;
  const { const: only, ...rest } = value;
  return { ...rest, enum: [only] };
}

function isList(node: Json): node is readonly Json[] {
  return Array.isArray(node);
}
