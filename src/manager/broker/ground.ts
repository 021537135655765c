// What the planner has to know of a VM, gathered from the store: its service's policy, what was done to it and is in force, who
// stands beside it, and which VMs answers have isolated or stopped lately.
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { Service } from '../../model/application.ts';
import type { Ability } from '../../model/plan.ts';
import { isDisruptive } from '../../stages/respond/action-traits.data.ts';
import { type Disruption, limitsOf, type Standing } from '../../stages/respond/blast-radius.ts';
import { answeredBy } from '../../stages/respond/in-force.ts';
import type { Ground } from '../../stages/respond/make-plan.ts';
import type { Desk } from '../desk.ts';
import { listMembers, memberOfVm, type MemberRow, scopeNamed } from '../store/applications.ts';
import { openPlanRuns } from '../store/plans.ts';
import { remediationsOfVm, remediationsSince } from '../store/remediations.ts';
import type { Db } from '../store/tables.ts';
import { sentinelOfVm, vmHosts, type VmHosts as Hosts } from '../store/vms.ts';

const minuteMs = 60_000;

export async function groundFor(
  db: Db,
  vm: string,
  abilities: readonly Ability[] | null,
  nowMs: number,
): Promise<Ground> {
  const member = await memberOfVm(db, vm);
  const service = member === null ? null : await serviceOf(db, member);
  const policy = service?.response ?? {};
  const sinceMs = nowMs - limitsOf(policy).minutes * minuteMs;
  const members = await listMembers(db);
  const hosts = await vmHosts(db);
  return {
    policy,
    abilities,
    answered: answeredBy(await remediationsOfVm(db, vm), nowMs),
    standing: member === null ? null : standingOf(member, members, hosts),
    recent: await disruptionsSince(db, sinceMs, members, hosts),
  };
}

async function serviceOf(db: Db, { scope, service }: MemberRow): Promise<Service | null> {
  const found = await scopeNamed(db, scope);
  return found?.services.find((candidate) => candidate.name === service) ?? null;
}

function standingOf({ scope, service, vm }: MemberRow, all: readonly MemberRow[], hosts: Hosts): Standing {
  const members = all.filter((one) => one.scope === scope && one.service === service);
  return {
    scope,
    service,
    host: hosts.get(vm)?.sentinel ?? 'unknown',
    members: members.length,
    othersRunning: members.filter((one) => one.vm !== vm && hosts.get(one.vm)?.state === 'running').length,
  };
}

/** What failed did nothing to its VM; what is about to be done, is under way or is unconfirmed may have. */
async function disruptionsSince(
  db: Db,
  sinceMs: number,
  members: readonly MemberRow[],
  hosts: Hosts,
): Promise<Disruption[]> {
  const done = (await remediationsSince(db, new Date(sinceMs).toISOString()))
    .filter(({ state }) => state !== 'failed' && state !== 'planned')
    .map(({ step, startedAt }) => ({ step, atMs: Date.parse(startedAt) }));
  const begun = (await openPlanRuns(db))
    .filter(({ state }) => state === 'executing')
    .flatMap(({ plan, changedAt }) => plan.steps.map((step) => ({ step, atMs: Date.parse(changedAt) })));
  const places = new Map(members.map((member) => [member.vm, member]));
  const disruptions: Disruption[] = [];
  for (const { step, atMs } of [...done, ...begun]) {
    const place = places.get(step.vm);
    if (place === undefined || !isDisruptive(step.action)) continue;
    const { scope, service } = place;
    disruptions.push({ vm: step.vm, scope, service, host: hosts.get(step.vm)?.sentinel ?? 'unknown', atMs });
  }
  return disruptions;
}

const answerMsMax = 5000;

/** Asks the VM's sentinel; a problem when it is away. */
export async function askAbilities(desk: Desk, vm: string): Promise<Result<readonly Ability[]>> {
  const name = await desk.store.read(async (db) => await sentinelOfVm(db, vm));
  if (!name.ok) return name;
  const end = name.value === null ? null : desk.sentinels.find(name.value);
  const away = problem('interrupted', `The sentinel of ${vm} is not connected.`, 'Start its sentinel.');
  if (end === null) return fail(away);
  const late = Promise.withResolvers<Result<readonly Ability[]>>();
  const timer = setTimeout(() => late.resolve(fail(away)), answerMsMax);
  try {
    return await Promise.race([end.abilities(vm), late.promise]);
  } catch {
    return fail(away);
  } finally {
    clearTimeout(timer);
  }
}
