// Services: the tiers of a scope, and the rules that say what is answered to which deviation.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Scope, Service, Sight } from '../../model/application.ts';
import type { Client } from '../../client/connect.ts';
import { printRules, printService, printServices } from '../print/applications.ts';
import { printDeclaration, printGrouping } from '../print/grouping.ts';
import { answer, type Verb } from '../verb.ts';
import { parseRules } from './rule-words.ts';
import { described, descriptionOption } from './scope-verbs.ts';
import { parseServiceName, type ServiceName } from './service-name.ts';

const sights = ['sweeps', 'traced'] as const satisfies readonly Sight[];

export const serviceVerbs: readonly Verb[] = [
  {
    words: 'service list [scope]',
    says: 'List the services of a scope, or of all',
    group: 'Describe',
    async run(run, words) {
      const scopes = await run.ask((manager) => scopesNamed(manager, words.maybe('scope')));
      const services = scopes.ok
        ? ok(
            scopes.value.flatMap(({ name, mode, services }) =>
              services.map((service) => ({ scope: name, mode, ...service })),
            ),
          )
        : scopes;
      return answer(services, printServices);
    },
  },
  {
    words: 'service propose',
    says: 'Say which VMs in no service belong together, or to a service there is, and why',
    group: 'Describe',
    options: [
      { flags: '--scope <scope>', says: 'where new services would go (proposed)' },
      { flags: '--yaml', says: 'print what `apply -f` takes to make it so' },
    ],
    async run(run, words) {
      const scope = words.maybe('scope');
      const asked = scope === undefined ? {} : { scope };
      const proposed = await run.ask((manager) => manager.proposeServices(asked));
      return answer(proposed, words.flag('yaml') ? printDeclaration : printGrouping);
    },
  },
  {
    words: 'service create <service>',
    says: 'Add a service to a scope: shop/web',
    group: 'Describe',
    options: [descriptionOption],
    async run(run, words) {
      const name = parseServiceName(words.text('service'));
      if (!name.ok) return name;
      const { scope, service } = name.value;
      const made = await run.ask((manager) => manager.createService({ scope, name: service, ...described(words) }));
      return answer(made, () => `Made service ${scope}/${service}.`);
    },
  },
  {
    words: 'service set <service>',
    says: 'Describe a service anew, or have its members traced so that no process start or connection is missed',
    group: 'Describe',
    options: [descriptionOption, { flags: '--sight <sight>', says: 'how closely they are watched', choices: sights }],
    async run(run, words) {
      const name = parseServiceName(words.text('service'));
      if (!name.ok) return name;
      const sight = words.choice('sight', sights);
      const change = { ...described(words), ...(sight === undefined ? {} : { sight }) };
      if (Object.keys(change).length === 0)
        return fail(problem('usage', 'Nothing to set was named.', 'Say --sight traced, or --description TEXT.'));
      const changed = await run.ask((manager) => manager.changeService({ ...name.value, ...change }));
      return answer(changed, (service, page) => printService(name.value.scope, service, page));
    },
  },
  {
    words: 'service delete <service>',
    says: 'Remove a service; the manifests of its members are withdrawn',
    group: 'Describe',
    async run(run, words) {
      const name = parseServiceName(words.text('service'));
      if (!name.ok) return name;
      const removed = await run.ask((manager) => manager.deleteService(name.value));
      return answer(removed, () => `Removed service ${words.text('service')}.`);
    },
  },
  {
    words: 'service rules <service>',
    says: 'Show the rules of a service, or change them',
    group: 'Describe',
    options: [
      {
        flags: '--add <rule>',
        says: 'add ON,SEVERITY,ACTION[,APPROVAL]: process,serious,suspend,automatic; a person is asked when APPROVAL is left out',
        repeats: true,
      },
      { flags: '--clear', says: 'remove the rules there are first' },
    ],
    async run(run, words) {
      const name = parseServiceName(words.text('service'));
      if (!name.ok) return name;
      const added = parseRules(words.list('add'));
      if (!added.ok) return added;
      const clear = words.flag('clear');
      const ruled = await run.ask(async (manager) => {
        const service = await serviceNamed(manager, name.value);
        if (!service.ok || (added.value.length === 0 && !clear)) return service;
        return await manager.setRules({
          ...name.value,
          rules: [...(clear ? [] : service.value.rules), ...added.value],
        });
      });
      return answer(ruled.ok ? ok(ruled.value.rules) : ruled, (rules) => printRules(rules).join('\n'));
    },
  },
];

/** One scope when it is named, else all. */
export async function scopesNamed(manager: Client, scope: string | undefined): Promise<Result<readonly Scope[]>> {
  if (scope === undefined) return await manager.listScopes();
  const one = await manager.getScope({ scope });
  return one.ok ? ok([one.value]) : one;
}

async function serviceNamed(manager: Client, name: ServiceName): Promise<Result<Service>> {
  const scope = await manager.getScope({ scope: name.scope });
  if (!scope.ok) return scope;
  const service = scope.value.services.find((service) => service.name === name.service);
  if (service !== undefined) return ok(service);
  return fail(
    problem(
      'not-found',
      `Scope ${name.scope} has no service ${name.service}.`,
      `See \`plumbline scope show ${name.scope}\`.`,
    ),
  );
}
