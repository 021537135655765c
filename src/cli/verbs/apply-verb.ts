// `apply`: makes scopes, services, members and rules as a file declares them; the same file again changes nothing.
import { Declaration } from '../../model/declaration.ts';
import { ok } from '../../kit/result.ts';
import { type Fault, findFaults } from '../../model/shape-faults.ts';
import { readYaml } from '../../manager/yaml-document.ts';
import { printApplied } from '../print/applications.ts';
import { answer, type Verb } from '../verb.ts';

export const applyVerb: Verb = {
  words: 'apply',
  says: 'Make scopes, services, members and rules as a YAML file declares them',
  group: 'Describe',
  options: [
    { flags: '-f, --file <file>', says: 'the declaration; - reads what is piped in', required: true },
    { flags: '--prune', says: 'remove what is not declared' },
    { flags: '--preview', says: 'say what would change, change nothing' },
  ],
  async run(run, words) {
    const file = words.text('file');
    const text = await run.shell.readText(file);
    if (!text.ok) return text;
    // The manager checks it again; here a person still has a file with lines.
    const read = readYaml(text.value, file, (value) => findFaults(Declaration, value));
    if (!read.ok) return read;
    const declaration = read.value as Declaration;
    const preview = words.flag('preview');
    const how = { ...(words.flag('prune') ? { prune: true } : {}), ...(preview ? { preview: true } : {}) };
    const applied = await run.ask(async (manager) => {
      const calls = namesCalls(declaration) ? await manager.listCalls() : ok([]);
      if (!calls.ok) return calls;
      const known = new Set(calls.value.map(({ name }) => name));
      const named = readYaml(text.value, file, () => unknownCalls(declaration, known));
      return named.ok ? await manager.apply({ declaration, ...how }) : named;
    });
    return answer(applied, (applied) => printApplied(applied, preview));
  },
};

function namesCalls(declaration: Declaration): boolean {
  return unknownCalls(declaration, new Set()).length > 0;
}

/** The manager refuses them as well, and knows no lines. */
function unknownCalls({ scopes }: Declaration, known: ReadonlySet<string>): Fault[] {
  return scopes.flatMap(({ services = [] }, scope) =>
    services.flatMap(({ rules = [] }, service) =>
      rules.flatMap(({ calls = [] }, rule) =>
        calls.flatMap((name, call): Fault[] => {
          const path = ['scopes', scope, 'services', service, 'rules', rule, 'calls', call];
          return known.has(name)
            ? []
            : [{ path, message: `names ${name}, which is no call of the manager's configuration` }];
        }),
      ),
    ),
  );
}
