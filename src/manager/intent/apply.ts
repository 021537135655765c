// Makes scopes, services, members and rules as a declaration says, and nothing else: a second time changes nothing. One
// transaction, so that a declaration that is wrong anywhere changes nothing anywhere.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Scope, Service } from '../../model/application.ts';
import type { Applied, Declaration, DeclaredChange, DeclaredScope, DeclaredService } from '../../model/declaration.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import { listScopes, scopeNamed } from '../store/applications.ts';
import { join, leave } from './membership.ts';
import { setMode } from './modes.ts';
import { findVm } from './references.ts';
import {
  createScope,
  createService,
  deleteScope,
  deleteService,
  redescribeScope,
  redescribeService,
  setResponse,
  setRules,
  setSight,
  theService,
} from './scopes.ts';

interface Work {
  readonly seals: Seals;
  readonly turn: Turn;
  readonly prune: boolean;
  readonly changes: DeclaredChange[];
  readonly notes: string[];
}

export async function applyDeclaration(
  seals: Seals,
  turn: Turn,
  declaration: Declaration,
  prune: boolean,
): Promise<Result<Applied>> {
  const twice = namedTwice(declaration);
  if (twice !== null) return fail(problem('usage', `${twice} is declared twice.`, 'Declare it once.'));
  const work: Work = { seals, turn, prune, changes: [], notes: [] };
  for (const declared of declaration.scopes) {
    const applied = await applyScope(work, declared);
    if (!applied.ok) return applied;
  }
  const pruned = await pruneScopes(work, declaration);
  if (!pruned.ok) return pruned;
  // Members join and leave first: a mode is set over what the scope has become.
  for (const declared of declaration.scopes) {
    const moded = await applyMode(work, declared);
    if (!moded.ok) return moded;
  }
  turn.detail(work.changes.map((change) => `${change.verb} ${change.subject}`).join('; '));
  return ok({ changes: work.changes, notes: work.notes });
}

function namedTwice(declaration: Declaration): string | null {
  const seen = new Set<string>();
  const names = declaration.scopes.flatMap((scope) => [
    `scope ${scope.name}`,
    ...(scope.services ?? []).flatMap((service) => [
      `service ${scope.name}/${service.name}`,
      ...(service.members ?? []).map((member) => `member ${member}`),
    ]),
  ]);
  return names.find((name) => seen.has(name) || !seen.add(name)) ?? null;
}

async function applyScope(work: Work, declared: DeclaredScope): Promise<Result<null>> {
  const { turn, changes } = work;
  let scope: Scope | null = await scopeNamed(turn.db, declared.name);
  if (scope === null) {
    const made = await createScope(turn, declared.name, declared.description ?? '');
    if (!made.ok) return made;
    scope = made.value;
    changes.push({ verb: 'created', subject: `scope ${declared.name}`, detail: 'in capture' });
  } else if (declared.description !== undefined && declared.description !== scope.description) {
    await redescribeScope(turn, declared.name, declared.description);
    changes.push({ verb: 'changed', subject: `scope ${declared.name}`, detail: 'description' });
  }
  const pruned = await pruneServices(work, scope, declared);
  if (!pruned.ok) return pruned;
  for (const service of declared.services ?? []) {
    const applied = await applyService(work, scope, service);
    if (!applied.ok) return applied;
  }
  return ok(null);
}

async function applyService(work: Work, scope: Scope, declared: DeclaredService): Promise<Result<null>> {
  const { seals, turn, changes } = work;
  const subject = `service ${scope.name}/${declared.name}`;
  let service = scope.services.find((candidate) => candidate.name === declared.name);
  if (service === undefined) {
    const made = await createService(turn, scope.name, declared.name, declared.description ?? '');
    if (!made.ok) return made;
    service = made.value;
    changes.push({ verb: 'created', subject, detail: '' });
  } else if (declared.description !== undefined && declared.description !== service.description) {
    await redescribeService(turn, scope.name, declared.name, declared.description);
    changes.push({ verb: 'changed', subject, detail: 'description' });
  }
  const members = await applyMembers(work, scope.name, service, declared);
  if (!members.ok) return members;
  const sighted = await applySight(work, scope.name, service, declared);
  if (!sighted.ok) return sighted;
  const bounded = await applyResponse(work, scope.name, service, declared);
  if (!bounded.ok) return bounded;
  if (declared.rules === undefined || JSON.stringify(declared.rules) === JSON.stringify(service.rules)) return ok(null);
  const ruled = await setRules(seals, turn, scope.name, declared.name, declared.rules);
  if (!ruled.ok) return ruled;
  changes.push({
    verb: 'changed',
    subject: `rules of ${scope.name}/${declared.name}`,
    detail: `${service.rules.length} -> ${declared.rules.length}`,
  });
  return ok(null);
}

async function applySight(
  { seals, turn, changes }: Work,
  scope: string,
  { name, sight }: Service,
  declared: DeclaredService,
): Promise<Result<null>> {
  if (declared.sight === undefined || declared.sight === sight) return ok(null);
  const changed = await setSight(seals, turn, scope, name, declared.sight);
  if (!changed.ok) return changed;
  changes.push({ verb: 'changed', subject: `sight of ${scope}/${name}`, detail: `${sight} -> ${declared.sight}` });
  return ok(null);
}

async function applyResponse(
  { seals, turn, changes }: Work,
  scope: string,
  { name, response = {} }: Service,
  declared: DeclaredService,
): Promise<Result<null>> {
  const isSame = JSON.stringify(declared.response) === JSON.stringify(response);
  if (declared.response === undefined || isSame) return ok(null);
  const changed = await setResponse(seals, turn, scope, name, declared.response);
  if (!changed.ok) return changed;
  changes.push({ verb: 'changed', subject: `response policy of ${scope}/${name}`, detail: '' });
  return ok(null);
}

async function applyMembers(
  work: Work,
  scope: string,
  service: Service,
  declared: DeclaredService,
): Promise<Result<null>> {
  const { seals, turn, changes, notes } = work;
  const place = { scope, service: service.name };
  const where = `${scope}/${service.name}`;
  const undeclared = await undeclaredMembers(turn, service, declared.members);
  if (!undeclared.ok) return undeclared;
  for (const { reference, name } of undeclared.value) {
    if (!work.prune) {
      notes.push(`${name} is a member of ${where} but not declared`);
      continue;
    }
    const left = await leave(seals, turn, place, reference);
    if (!left.ok) return left;
    changes.push({ verb: 'removed', subject: `member ${name} of ${where}`, detail: '' });
  }
  for (const member of declared.members ?? []) {
    const joined = await join(seals, turn, place, member);
    if (!joined.ok) return joined;
    if (joined.value === 'unchanged') continue;
    const waits = joined.value === 'awaited';
    changes.push({
      verb: 'created',
      subject: `member ${member} of ${where}`,
      detail: waits ? 'joins when its VM appears' : '',
    });
  }
  const now = await theService(turn, scope, service.name);
  if (now.ok) for (const name of now.value.awaited) notes.push(`${where} waits for ${name}, which no host runs yet`);
  return ok(null);
}

async function undeclaredMembers(
  turn: Turn,
  service: Service,
  declared: readonly string[] | undefined,
): Promise<Result<{ reference: string; name: string }[]>> {
  if (declared === undefined) return ok([]);
  const ids = new Set<string>(declared);
  for (const reference of declared) {
    const vm = await findVm(turn.db, reference);
    if (!vm.ok) return vm;
    if (vm.value !== null) ids.add(vm.value.id);
  }
  return ok([
    ...service.members.flatMap(({ vm, name }) => (ids.has(vm) ? [] : [{ reference: vm, name }])),
    ...service.awaited.flatMap((reference) => (ids.has(reference) ? [] : [{ reference, name: reference }])),
  ]);
}

async function pruneServices(work: Work, scope: Scope, declared: DeclaredScope): Promise<Result<null>> {
  if (declared.services === undefined) return ok(null);
  const kept = new Set(declared.services.map((service) => service.name));
  for (const { name } of scope.services.filter((service) => !kept.has(service.name))) {
    if (!work.prune) {
      work.notes.push(`service ${scope.name}/${name} is not declared`);
      continue;
    }
    const removed = await deleteService(work.seals, work.turn, scope.name, name);
    if (!removed.ok) return removed;
    work.changes.push({ verb: 'removed', subject: `service ${scope.name}/${name}`, detail: 'manifests withdrawn' });
  }
  return ok(null);
}

async function pruneScopes(work: Work, declaration: Declaration): Promise<Result<null>> {
  const kept = new Set(declaration.scopes.map((scope) => scope.name));
  for (const { name } of (await listScopes(work.turn.db)).filter((scope) => !kept.has(scope.name))) {
    if (!work.prune) {
      work.notes.push(`scope ${name} is not declared`);
      continue;
    }
    const removed = await deleteScope(work.seals, work.turn, name);
    if (!removed.ok) return removed;
    work.changes.push({ verb: 'removed', subject: `scope ${name}`, detail: 'manifests withdrawn' });
  }
  return ok(null);
}

async function applyMode(work: Work, declared: DeclaredScope): Promise<Result<null>> {
  const { seals, turn, changes } = work;
  const scope = await scopeNamed(turn.db, declared.name);
  if (scope === null || declared.mode === undefined || declared.mode === scope.mode) return ok(null);
  const moded = await setMode(seals, turn, { scope: declared.name, mode: declared.mode, force: false });
  if (!moded.ok) return moded;
  work.notes.push(...moded.value.notes);
  changes.push({
    verb: 'changed',
    subject: `mode of ${declared.name}`,
    detail: `${moded.value.from} -> ${moded.value.to}`,
  });
  return ok(null);
}
