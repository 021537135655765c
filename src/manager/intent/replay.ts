// "What would have alarmed": the manifests that would be issued now, or would have been at an earlier time, held against what
// members did while they were learned. It changes nothing.
import { ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Member, Scope, Service } from '../../model/application.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Profile } from '../../model/profile.ts';
import type { ScopeReplay, ServiceReplay } from '../../model/scope-replay.ts';
import { assess } from '../../stages/assess/assess.ts';
import { raise } from '../../stages/assess/group.ts';
import { compileManifest, detect, type CompiledManifest } from '../../stages/detect/detect.ts';
import { draft } from '../../stages/draft/draft.ts';
import { emptyProfile, learn } from '../../stages/learn/learn.ts';
import { readHistory } from '../store/history.ts';
import { readApprovals, readProfile } from '../store/profiles.ts';
import { readRetired } from '../store/retirements.ts';
import type { Db } from '../store/tables.ts';
import { withheldIds } from './draft-ground.ts';
import { theScope } from './scopes.ts';

export type History = Awaited<ReturnType<typeof readHistory>>;

/** More alarms than anybody will read before he decides. */
const alarmsMax = 200;

export async function replayScope(
  db: Db,
  scopeName: string,
  learnedUntil: string | null,
  nowIso: string,
): Promise<Result<ScopeReplay>> {
  const scope = await theScope({ db }, scopeName);
  if (!scope.ok) return scope;
  const services: ServiceReplay[] = [];
  for (const service of scope.value.services) {
    const replayed = await replayService(db, scope.value, service, learnedUntil, nowIso);
    if (!replayed.ok) return replayed;
    services.push(replayed.value);
  }
  const notes = [
    ...(learnedUntil === null
      ? ['what was learned is judged by itself: only what waits for a person, or is kept out, can alarm']
      : []),
    ...(scope.value.mode === 'capture' ? [] : ['what happened since the scope left capture is not kept']),
  ];
  return ok({ scope: scopeName, learnedUntil, services, notes });
}

async function replayService(
  db: Db,
  scope: Scope,
  service: Service,
  learnedUntil: string | null,
  nowIso: string,
): Promise<Result<ServiceReplay>> {
  const history = await readHistory(db, { scope: scope.name, service: service.name });
  const profile =
    learnedUntil === null
      ? await readProfile(db, scope.name, service.name)
      : learnedBefore(history, scope.name, service.name, learnedUntil);
  const asked = history.filter(({ observed }) => learnedUntil === null || observed.firstAt >= learnedUntil);
  return await replayHistory(
    scope,
    service,
    asked,
    async (member) => await draftedFor(db, scope, service, member, profile, nowIso),
  );
}

/** What members did, held against a manifest for each of them. */
export async function replayHistory(
  scope: Scope,
  service: Service,
  asked: History,
  manifestFor: (member: Member) => Promise<Manifest>,
): Promise<Result<ServiceReplay>> {
  const alarms = new Map<string, Alarm>();
  const totals = { judged: 0, deviations: 0 };
  for (const member of service.members) {
    const compiled = compileManifest(await manifestFor(member));
    if (!compiled.ok) return compiled;
    const own = asked.filter(({ vm }) => vm === member.vm);
    judge(own, compiled.value, { scope: scope.name, service: service.name, member }, alarms, totals);
  }
  const worst = [...alarms.values()].sort((a, b) => b.risk - a.risk || (a.id < b.id ? -1 : 1));
  return ok({
    service: service.name,
    period: periodOf(asked),
    ...totals,
    alarms: worst.slice(0, alarmsMax).map(({ vm, vmName, title, severity, risk, count, firstAt, lastAt }) => {
      return { vm, vmName, title, severity, risk, count, firstAt, lastAt };
    }),
    alarmsDropped: Math.max(0, worst.length - alarmsMax),
  });
}

function judge(
  history: History,
  manifest: CompiledManifest,
  place: { readonly scope: string; readonly service: string; readonly member: Member },
  alarms: Map<string, Alarm>,
  totals: { judged: number; deviations: number },
): void {
  const { scope, service, member } = place;
  for (const { observed } of history) {
    totals.judged += observed.count;
    const deviation = detect(manifest, observed.activity);
    if (deviation === null) continue;
    totals.deviations += observed.count;
    const finding = assess(deviation, { scope, service, mode: 'detect' });
    const id = `${member.vm} ${finding.group}`;
    const raised = raise(alarms.get(id) ?? null, finding, { id, vmName: member.name, scope, service });
    const lastAt = observed.lastAt > raised.lastAt ? observed.lastAt : raised.lastAt;
    alarms.set(id, { ...raised, count: raised.count + observed.count - 1, lastAt });
  }
}

function learnedBefore(history: History, scope: string, service: string, until: string): Profile {
  const before = history.filter(({ observed }) => observed.firstAt < until);
  const byMember = Map.groupBy(before, ({ vm }) => vm);
  return [...byMember].reduce(
    (profile, [vm, rows]) =>
      learn(
        profile,
        vm,
        rows.map(({ observed }) => observed),
      ),
    emptyProfile(scope, service),
  );
}

async function draftedFor(db: Db, scope: Scope, service: Service, member: Member, profile: Profile, nowIso: string) {
  return draft({
    profile,
    scope: scope.name,
    service: service.name,
    vm: member.vm,
    vmName: member.name,
    mode: 'detect',
    orders: [],
    generation: 1,
    issuedAt: nowIso,
    approved: await readApprovals(db, scope.name, service.name, member.vm),
    held: await withheldIds(db, profile),
    retired: await readRetired(db, scope.name, service.name),
  });
}

function periodOf(history: History): ServiceReplay['period'] {
  const [first] = history;
  if (first === undefined) return null;
  return history.reduce(
    ({ from, until }, { observed }) => ({
      from: observed.firstAt < from ? observed.firstAt : from,
      until: observed.lastAt > until ? observed.lastAt : until,
    }),
    { from: first.observed.firstAt, until: first.observed.lastAt },
  );
}
