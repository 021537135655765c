// Makes, describes and removes scopes and services, and sets their rules. Each verb also runs inside `apply`, so it takes a turn.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Scope, Service, Sight } from '../../model/application.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import { faultOf, type Rule } from '../../model/rule.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import {
  describeScope,
  insertScope,
  insertService,
  listMembers,
  removeScope,
  removeService,
  scopeNamed,
  updateService,
} from '../store/applications.ts';
import { issueToService } from './issue.ts';
import { dismiss } from './membership.ts';

const scopesMax = 1000;
const servicesMax = 1000;

export async function theScope(turn: Pick<Turn, 'db'>, name: string): Promise<Result<Scope>> {
  const scope = await scopeNamed(turn.db, name);
  return scope === null
    ? fail(problem('not-found', `There is no scope ${name}.`, 'See `plumbline scopes`.'))
    : ok(scope);
}

export async function theService(turn: Pick<Turn, 'db'>, scopeName: string, name: string): Promise<Result<Service>> {
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  const service = scope.value.services.find((candidate) => candidate.name === name);
  return service === undefined
    ? fail(
        problem(
          'not-found',
          `Scope ${scopeName} has no service ${name}.`,
          `See \`plumbline scope show ${scopeName}\`.`,
        ),
      )
    : ok(service);
}

export async function createScope(turn: Turn, name: string, description: string): Promise<Result<Scope>> {
  if ((await scopeNamed(turn.db, name)) !== null) return fail(problem('refused', `There is already a scope ${name}.`));
  const { made } = await turn.db
    .selectFrom('scopes')
    .select((eb) => eb.fn.countAll().as('made'))
    .executeTakeFirstOrThrow();
  if (Number(made) >= scopesMax)
    return fail(problem('refused', `There are already ${scopesMax} scopes, which is the limit.`));
  await insertScope(turn.db, name, description, turn.at);
  turn.announce({ kind: 'intent', subject: name });
  return await theScope(turn, name);
}

export async function redescribeScope(turn: Turn, name: string, description: string): Promise<Result<Scope>> {
  const scope = await theScope(turn, name);
  if (!scope.ok) return scope;
  await describeScope(turn.db, name, description);
  turn.announce({ kind: 'intent', subject: name });
  return ok({ ...scope.value, description });
}

export async function deleteScope(seals: Seals, turn: Turn, name: string): Promise<Result<Scope>> {
  const scope = await theScope(turn, name);
  if (!scope.ok) return scope;
  for (const member of await listMembers(turn.db))
    if (member.scope === name) await dismiss(seals, turn, member, `scope ${name} removed`);
  await removeScope(turn.db, name);
  turn.announce({ kind: 'intent', subject: name });
  return scope;
}

export async function createService(
  turn: Turn,
  scopeName: string,
  name: string,
  description: string,
): Promise<Result<Service>> {
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  if (scope.value.services.some((service) => service.name === name))
    return fail(problem('refused', `Scope ${scopeName} already has a service ${name}.`));
  if (scope.value.services.length >= servicesMax)
    return fail(problem('refused', `Scope ${scopeName} already has ${servicesMax} services, which is the limit.`));
  await insertService(turn.db, scopeName, name, description);
  turn.announce({ kind: 'intent', subject: `${scopeName}/${name}` });
  return await theService(turn, scopeName, name);
}

export async function redescribeService(
  turn: Turn,
  scope: string,
  name: string,
  description: string,
): Promise<Result<Service>> {
  const service = await theService(turn, scope, name);
  if (!service.ok) return service;
  await updateService(turn.db, scope, name, { description });
  turn.announce({ kind: 'intent', subject: `${scope}/${name}` });
  return ok({ ...service.value, description });
}

export async function deleteService(seals: Seals, turn: Turn, scope: string, name: string): Promise<Result<Service>> {
  const service = await theService(turn, scope, name);
  if (!service.ok) return service;
  for (const member of await listMembers(turn.db))
    if (member.scope === scope && member.service === name)
      await dismiss(seals, turn, member, `service ${scope}/${name} removed`);
  await removeService(turn.db, scope, name);
  turn.announce({ kind: 'intent', subject: `${scope}/${name}` });
  return service;
}

/** Rules travel in the manifests, so that new rules are new manifests. */
export async function setRules(
  seals: Seals,
  turn: Turn,
  scopeName: string,
  name: string,
  rules: readonly Rule[],
): Promise<Result<Service>> {
  const fault = rules.map(faultOf).find((found) => found !== null);
  if (fault !== undefined)
    return fail(
      problem('usage', `A rule of ${scopeName}/${name} cannot be carried out: ${fault}.`, 'Change the rule.'),
    );
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  const service = await theService(turn, scopeName, name);
  if (!service.ok) return service;
  const changed = { ...service.value, rules: [...rules] };
  await updateService(turn.db, scopeName, name, { rules });
  turn.announce({ kind: 'intent', subject: `${scopeName}/${name}` });
  const issued = await issueToService(seals, turn, scope.value, changed, 'rules changed');
  return issued.ok ? ok(changed) : issued;
}

/** How far answers may go travels in the manifests as well. */
export async function setResponse(
  seals: Seals,
  turn: Turn,
  scopeName: string,
  name: string,
  response: ResponsePolicy,
): Promise<Result<Service>> {
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  const service = await theService(turn, scopeName, name);
  if (!service.ok) return service;
  const changed = { ...service.value, response };
  await updateService(turn.db, scopeName, name, { response });
  turn.announce({ kind: 'intent', subject: `${scopeName}/${name}` });
  const issued = await issueToService(seals, turn, scope.value, changed, 'response policy changed');
  return issued.ok ? ok(changed) : issued;
}

/** How its members are watched stands in their manifests, so that another sight is new manifests. */
export async function setSight(
  seals: Seals,
  turn: Turn,
  scopeName: string,
  name: string,
  sight: Sight,
): Promise<Result<Service>> {
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  const service = await theService(turn, scopeName, name);
  if (!service.ok || service.value.sight === sight) return service;
  const changed = { ...service.value, sight };
  await updateService(turn.db, scopeName, name, { sight });
  turn.announce({ kind: 'intent', subject: `${scopeName}/${name}` });
  const issued = await issueToService(seals, turn, scope.value, changed, `watched by ${sight}`);
  return issued.ok ? ok(changed) : issued;
}
