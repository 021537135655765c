// `apply`: makes scopes, services, members and rules as a file declares them; the same file again changes nothing.
import { Declaration } from '../../model/declaration.ts';
import { findFaults } from '../../model/shape-faults.ts';
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
    const applied = await run.ask((manager) => manager.apply({ declaration, ...how }));
    return answer(applied, (applied) => printApplied(applied, preview));
  },
};
