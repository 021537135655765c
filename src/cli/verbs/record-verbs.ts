// What was done: answers given to alarms, and who did what.
import { printAudit, printRemediations } from '../print/records.ts';
import { answer, type Verb } from '../verb.ts';
import { collect, limitOf, limitOption } from './paging.ts';

export const recordVerbs: readonly Verb[] = [
  {
    words: 'remediations',
    says: 'List the answers given and what was read back',
    group: 'Answer',
    options: [{ flags: '--vm <vm>', says: 'of one VM' }, limitOption],
    async run(run, words) {
      const limit = limitOf(words);
      if (!limit.ok) return limit;
      const vm = words.maybe('vm');
      const filter = vm === undefined ? {} : { vm };
      const listed = await run.ask((manager) =>
        collect(limit.value, async (page) => await manager.listRemediations({ ...filter, ...page })),
      );
      return answer(listed, printRemediations);
    },
  },
  {
    words: 'audit',
    says: 'List who did what, and how it ended',
    group: 'Answer',
    options: [{ flags: '--subject <text>', says: 'about one thing only' }, limitOption],
    async run(run, words) {
      const limit = limitOf(words);
      if (!limit.ok) return limit;
      const subject = words.maybe('subject');
      const filter = subject === undefined ? {} : { subject };
      const listed = await run.ask((manager) =>
        collect(limit.value, async (page) => await manager.listAudit({ ...filter, ...page })),
      );
      return answer(listed, printAudit);
    },
  },
];
