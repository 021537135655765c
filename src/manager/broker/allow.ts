// Takes the behaviour of an alarm into the manifests: the answer "this is right". The preview says what that would admit and
// changes nothing. Another alarm is answered with it only when every activity of it is then allowed.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Allowance } from '../../model/alarm-detail.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Member, Scope, Service } from '../../model/application.ts';
import type { Manifest, ManifestEntry } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import { describeBehaviour } from '../../pattern/describe.ts';
import { compileManifest, detect } from '../../stages/detect/detect.ts';
import { allowEntry } from '../../stages/draft/draft.ts';
import type { Turn } from '../audit/change.ts';
import { issueToService, type Issued } from '../intent/issue.ts';
import { theVm } from '../intent/references.ts';
import { theScope, theService } from '../intent/scopes.ts';
import type { Seals } from '../signing/seals.ts';
import { activitiesOf, openAlarmsOfService, settleAlarm, settledOf } from '../store/alarms.ts';
import { saveApproval } from '../store/profiles.ts';
import { theAlarm, withdrawPlans } from './alarms.ts';

export interface AllowRequest {
  readonly alarm: string;
  /** Only this member may; absent = every member of the service. */
  readonly member: string | undefined;
  readonly preview: boolean;
}

interface Ground {
  readonly alarm: Alarm;
  readonly scope: Scope;
  readonly service: Service;
  readonly members: readonly Member[];
  readonly only: string | null;
}

export async function allowAlarm(seals: Seals, turn: Turn, request: AllowRequest): Promise<Result<Allowance>> {
  const ground = await groundOf(turn, request);
  if (!ground.ok) return ground;
  const { alarm, scope, service, members, only } = ground.value;
  const entries = await entriesFor(turn, alarm);
  const also = await coveredBy(turn, ground.value, entries);
  const notes = await notesOn(turn, ground.value);
  const shown = entries.map((entry) => ({ entry, admits: describeBehaviour(entry.behaviour) }));
  const answer = { alarm: alarm.id, entries: shown, alsoAllowed: also.map((other) => other.id), notes };
  if (request.preview)
    return ok({ ...answer, preview: true, members: members.map(({ vm, name }) => ({ vm, name, generation: null })) });

  for (const entry of entries) await saveApproval(turn.db, scope.name, service.name, only, entry);
  const issued = await issueToService(
    seals,
    turn,
    scope,
    { ...service, members: [...members] },
    `alarm ${alarm.id} allowed`,
  );
  if (!issued.ok) return issued;
  for (const settled of [alarm, ...also]) {
    const allowed = await settleAlarm(turn.db, settled, 'allowed', turn.by, turn.at);
    await withdrawPlans(turn, settled.id);
    turn.announce({ kind: 'alarm', isNew: false, alarm: allowed });
    if (settled !== alarm) await turn.record('alarm.allow', settled.id, `covered by what alarm ${alarm.id} allowed`);
  }
  turn.detail(`${shown.map((entry) => entry.admits).join('; ')}${only === null ? '' : `; only ${only}`}`);
  return ok({ ...answer, preview: false, members: issued.value.map((one: Issued) => ({ ...one })) });
}

async function groundOf(turn: Turn, request: AllowRequest): Promise<Result<Ground>> {
  const found = await theAlarm(turn.db, request.alarm);
  if (!found.ok) return found;
  const alarm = found.value;
  if (alarm.kind === 'guard')
    return fail(
      problem(
        'refused',
        `Alarm ${alarm.id} is about Plumbline itself, which no manifest can allow.`,
        'Find its cause, then close it.',
      ),
    );
  if (alarm.status === 'allowed') return fail(problem('refused', `Alarm ${alarm.id} is allowed already.`));
  if (alarm.scope === null || alarm.service === null)
    return fail(problem('refused', `${alarm.vmName} was in no service when alarm ${alarm.id} was raised.`));
  const scope = await theScope(turn, alarm.scope);
  if (!scope.ok) return scope;
  const service = await theService(turn, alarm.scope, alarm.service);
  if (!service.ok) return service;
  const base = { alarm, scope: scope.value, service: service.value };
  if (request.member === undefined) return ok({ ...base, members: service.value.members, only: null });
  const vm = await theVm(turn.db, request.member);
  if (!vm.ok) return vm;
  const members = service.value.members.filter((member) => member.vm === vm.value.id);
  if (members.length === 0)
    return fail(problem('usage', `${request.member} is no member of ${alarm.scope}/${alarm.service}.`));
  return ok({ ...base, members, only: vm.value.id });
}

async function entriesFor(turn: Turn, alarm: Alarm): Promise<ManifestEntry[]> {
  const provenance = { kind: 'approved', by: turn.by, at: turn.at, alarm: alarm.id } as const;
  const entries = new Map<string, ManifestEntry>();
  for (const activity of await activitiesOf(turn.db, alarm.id)) {
    const entry = allowEntry(activity, provenance);
    entries.set(entry.id, entry);
  }
  return [...entries.values()];
}

/** Other open alarms that are nothing but what the entries admit, on the VMs for which they will hold. */
async function coveredBy(turn: Turn, ground: Ground, entries: readonly ManifestEntry[]): Promise<Alarm[]> {
  const { alarm, scope, service, members } = ground;
  const compiled = compileManifest(manifestOf(ground, entries, turn.at));
  if (!compiled.ok) return [];
  const vms = new Set(members.map((member) => member.vm));
  const covered: Alarm[] = [];
  for (const other of await openAlarmsOfService(turn.db, scope.name, service.name)) {
    if (other.id === alarm.id || !vms.has(other.vm)) continue;
    const activities: readonly Activity[] = await activitiesOf(turn.db, other.id);
    const { activitiesDropped } = await settledOf(turn.db, other.id);
    const isCovered = activities.every((activity) => detect(compiled.value, activity) === null);
    if (isCovered && activities.length > 0 && activitiesDropped === 0) covered.push(other);
  }
  return covered;
}

/** Only to ask it: the entries as a manifest of their own, never issued. */
function manifestOf({ alarm, scope, service }: Ground, entries: readonly ManifestEntry[], at: string): Manifest {
  return {
    format: 'plumbline.manifest/1',
    vm: alarm.vm,
    vmName: alarm.vmName,
    scope: scope.name,
    service: service.name,
    mode: scope.mode,
    generation: 1,
    issuedAt: at,
    entries: [...entries],
    orders: [],
  };
}

async function notesOn(turn: Turn, { alarm, members, service }: Ground): Promise<string[]> {
  const { activitiesDropped } = await settledOf(turn.db, alarm.id);
  const others = members.filter((member) => member.vm !== alarm.vm).length;
  return [
    ...(activitiesDropped > 0
      ? [`${activitiesDropped} more activities of this alarm were not kept; they will alarm again`]
      : []),
    ...(others > 0 ? [`${others} other members of ${service.name} may do this too; --member limits it to one`] : []),
    ...(members.some((member) => member.vm === alarm.vm) ? [] : [`${alarm.vmName} itself is not among the members`]),
  ];
}
