// Scopes: applications as the user groups them.
import { ok } from '../../kit/result.ts';
import { printScope, printScopes } from '../print/applications.ts';
import { answer, type Verb, type VerbOption, type Words } from '../verb.ts';

export const descriptionOption: VerbOption = { flags: '--description <text>', says: 'what it is, for people' };

export function described(words: Words): { description?: string } {
  const description = words.maybe('description');
  return description === undefined ? {} : { description };
}

export const scopeVerbs: readonly Verb[] = [
  {
    words: 'scope list',
    says: 'List the scopes',
    group: 'Describe',
    run: async (run) => answer(await run.ask((manager) => manager.listScopes()), printScopes),
  },
  {
    words: 'scope show <scope>',
    says: 'Show a scope with its services, members and rules, and what was learned so far',
    group: 'Describe',
    async run(run, words) {
      const shown = await run.ask(async (manager) => {
        const scope = await manager.getScope({ scope: words.text('scope') });
        if (!scope.ok) return scope;
        const learning = await manager.learning({ scope: scope.value.name });
        return learning.ok ? ok({ ...scope.value, learning: learning.value.services }) : learning;
      });
      return answer(shown, printScope);
    },
  },
  {
    words: 'scope create <scope>',
    says: 'Make a scope; it begins in capture',
    group: 'Describe',
    options: [descriptionOption],
    async run(run, words) {
      const made = await run.ask((manager) => manager.createScope({ name: words.text('scope'), ...described(words) }));
      return answer(made, ({ name, mode }) => `Made scope ${name}, in ${mode}.`);
    },
  },
  {
    words: 'scope delete <scope>',
    says: 'Remove a scope with its services; the manifests of its members are withdrawn',
    group: 'Describe',
    async run(run, words) {
      const removed = await run.ask((manager) => manager.deleteScope({ scope: words.text('scope') }));
      return answer(removed, ({ name }) => `Removed scope ${name}.`);
    },
  },
];
