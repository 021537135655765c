// Writes, signs and stores what is to be in force on a VM: a manifest for a member, a withdrawal for one that left.
// The generation rises with each; the old ones stay readable.
import { ok, type Result } from '../../kit/result.ts';
import type { Mode, Service, Sight } from '../../model/application.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Profile } from '../../model/profile.ts';
import { isInline, type Rule } from '../../model/rule.ts';
import { draft } from '../../stages/draft/draft.ts';
import { emptyProfile } from '../../stages/learn/learn.ts';
import { payloadTypes, type Withdrawal } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import { scopeNamed } from '../store/applications.ts';
import { lastGeneration, saveIssue } from '../store/issues.ts';
import { readApprovals, readProfile } from '../store/profiles.ts';
import { readRetired } from '../store/retirements.ts';
import { declaredChanges, withheldIds } from './draft-ground.ts';

export interface Issued {
  readonly vm: string;
  readonly name: string;
  readonly generation: number;
}

/** Manifests for all members of a service, as its scope's mode, its profile and its rules are now. */
export async function issueToService(
  seals: Seals,
  turn: Turn,
  scope: { readonly name: string; readonly mode: Mode },
  service: Service,
  reason: string,
): Promise<Result<Issued[]>> {
  const profile = await profileFor(turn, scope, service.name);
  const issued: Issued[] = [];
  for (const member of service.members) {
    const one = await issueToMember(seals, turn, scope, service, member, profile, reason);
    if (!one.ok) return one;
    issued.push(one.value);
  }
  return ok(issued);
}

/** A manifest for one VM that is a member of `service`. */
export async function issueToVm(
  seals: Seals,
  turn: Turn,
  scopeName: string,
  vm: string,
  reason: string,
): Promise<Result<Issued[]>> {
  const scope = await scopeNamed(turn.db, scopeName);
  const service = scope?.services.find((candidate) => candidate.members.some((member) => member.vm === vm));
  if (scope === null || service === undefined) return ok([]);
  const only = { ...service, members: service.members.filter((member) => member.vm === vm) };
  return await issueToService(seals, turn, scope, only, reason);
}

/** In capture nothing is judged, so that a manifest in capture carries no learned entries to carry around. */
async function profileFor(
  turn: Turn,
  scope: { readonly name: string; readonly mode: Mode },
  service: string,
): Promise<Profile> {
  return scope.mode === 'capture' ? emptyProfile(scope.name, service) : await readProfile(turn.db, scope.name, service);
}

async function issueToMember(
  seals: Seals,
  turn: Turn,
  scope: { readonly name: string; readonly mode: Mode },
  service: Service,
  member: { readonly vm: string; readonly name: string },
  profile: Profile,
  reason: string,
): Promise<Result<Issued>> {
  const generation = (await lastGeneration(turn.db, member.vm)) + 1;
  const changes = await declaredChanges(turn.db, { scope: scope.name, service: service.name, vm: member.vm }, turn.at);
  const drafted = draft({
    profile,
    scope: scope.name,
    service: service.name,
    vm: member.vm,
    vmName: member.name,
    mode: scope.mode,
    sight: sightOf(scope.mode, service),
    // Only in protect may anything act, and only what needs no person's consent may act alone.
    orders:
      scope.mode === 'protect'
        ? service.rules.filter(({ approval }) => approval === 'automatic').map(carriedBeside)
        : [],
    generation,
    issuedAt: turn.at,
    approved: await readApprovals(turn.db, scope.name, service.name, member.vm),
    held: await withheldIds(turn.db, profile),
    retired: await readRetired(turn.db, scope.name, service.name),
  });
  // Left out where there is none, so that a manifest of an older manager is the same one.
  const manifest: Manifest = changes.length === 0 ? drafted : { ...drafted, changes };
  if (service.response !== undefined) manifest.response = service.response;
  const delivery = await saveIssue(turn.db, {
    vm: member.vm,
    generation,
    kind: 'manifest',
    mode: scope.mode,
    scope: scope.name,
    service: service.name,
    entries: manifest.entries.length,
    reason,
    issuedAt: turn.at,
    envelope: seals.seal(payloadTypes.manifest, manifest),
  });
  await turn.record(
    'manifest.issue',
    member.vm,
    `generation ${generation} for ${member.name} in ${scope.name}/${service.name}, ${scope.mode}, ${manifest.entries.length} entries: ${reason}`,
  );
  turn.announce({ kind: 'delivery', delivery });
  return ok({ vm: member.vm, name: member.name, generation });
}

/** Calls are made by the manager, so that no host learns of them. */
function carriedBeside(rule: Rule): Rule {
  const order = { ...rule };
  delete order.calls;
  return order;
}

/** Nothing can be refused that is not seen before it happens. */
function sightOf(mode: Mode, { sight, rules }: Service): Sight {
  return mode === 'protect' && rules.some(({ action }) => isInline(action)) ? 'traced' : sight;
}

export async function withdraw(seals: Seals, turn: Turn, vm: string, reason: string): Promise<void> {
  const generation = (await lastGeneration(turn.db, vm)) + 1;
  const withdrawal: Withdrawal = { vm, generation, issuedAt: turn.at };
  const delivery = await saveIssue(turn.db, {
    vm,
    generation,
    kind: 'withdrawal',
    mode: null,
    scope: null,
    service: null,
    entries: 0,
    reason,
    issuedAt: turn.at,
    envelope: seals.seal(payloadTypes.withdrawal, withdrawal),
  });
  await turn.record('manifest.withdraw', vm, `generation ${generation}: ${reason}`);
  turn.announce({ kind: 'delivery', delivery });
}
