// Incidents: open alarms put together by what led to what.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import { printIncident, printIncidents } from '../print/incidents.ts';
import { answer, type Verb } from '../verb.ts';

export const incidentVerbs: readonly Verb[] = [
  {
    words: 'incidents',
    says: 'List open alarms put together by what led to what, the gravest first',
    group: 'Judge',
    options: [
      { flags: '--scope <scope>', says: 'of one scope' },
      { flags: '--vm <vm>', says: 'of one VM' },
    ],
    async run(run, words) {
      const scope = words.maybe('scope');
      const vm = words.maybe('vm');
      const filter = { ...(scope === undefined ? {} : { scope }), ...(vm === undefined ? {} : { vm }) };
      return answer(await run.ask((manager) => manager.listIncidents(filter)), printIncidents);
    },
  },
  {
    words: 'incident <alarm>',
    says: 'Show the incident an alarm belongs to, as the tree of what led to what',
    group: 'Judge',
    async run(run, words) {
      const named = words.text('alarm');
      const listed = await run.ask((manager) => manager.listIncidents());
      if (!listed.ok) return listed;
      const [first, ...more] = listed.value.items.filter(({ alarms }) => alarms.some((id) => id.startsWith(named)));
      if (first === undefined)
        return fail(problem('not-found', `No open alarm begins with ${named}.`, 'See `plumbline incidents`.'));
      if (more.length > 0)
        return fail(
          problem('usage', `Alarms of ${more.length + 1} incidents begin with ${named}.`, 'Write more of the id.'),
        );
      return answer(ok(first), printIncident);
    },
  },
];
