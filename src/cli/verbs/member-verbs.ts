// Members: the VMs a service consists of.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Service } from '../../model/application.ts';
import type { Client } from '../../client/connect.ts';
import { printMembers, printService } from '../print/applications.ts';
import type { Run } from '../run.ts';
import { answer, type Answer, type Verb, type Words } from '../verb.ts';
import { parseServiceName, type ServiceName } from './service-name.ts';
import { scopesNamed } from './service-verbs.ts';

export const memberVerbs: readonly Verb[] = [
  {
    words: 'member list [scope]',
    says: 'List the members of all services, or of one scope',
    group: 'Describe',
    async run(run, words) {
      const scopes = await run.ask((manager) => scopesNamed(manager, words.maybe('scope')));
      const services = scopes.ok
        ? ok(
            scopes.value.flatMap((scope) =>
              scope.services.map(({ name, members, awaited }) => ({
                scope: scope.name,
                service: name,
                members,
                awaited,
              })),
            ),
          )
        : scopes;
      return answer(services, printMembers);
    },
  },
  {
    words: 'member add <service> <vm...>',
    says: 'Put VMs into a service; one that does not exist yet joins when it appears',
    group: 'Describe',
    run: async (run, words) => await eachMember(run, words, (manager, member) => manager.addMember(member)),
  },
  {
    words: 'member remove <service> <vm...>',
    says: 'Take VMs out of a service; their manifests are withdrawn',
    group: 'Describe',
    run: async (run, words) => await eachMember(run, words, (manager, member) => manager.removeMember(member)),
  },
];

type MemberCall = (manager: Client, member: ServiceName & { readonly vm: string }) => Promise<Result<Service>>;

/** One after the other; the first that is refused ends it, and what was done before it stays done. */
async function eachMember(run: Run, words: Words, call: MemberCall): Promise<Result<Answer>> {
  const name = parseServiceName(words.text('service'));
  if (!name.ok) return name;
  const changed = await run.ask(async (manager) => {
    let service: Result<Service> = fail(problem('usage', 'No VM was named.'));
    for (const vm of words.list('vm')) {
      service = await call(manager, { ...name.value, vm });
      if (!service.ok) return service;
    }
    return service;
  });
  return answer(changed, (service, page) => printService(name.value.scope, service, page));
}
