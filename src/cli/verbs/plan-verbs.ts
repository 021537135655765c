// Plans: what would be done about an alarm, what waits for consent, and taking back what was done.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { planStates, type PlanRun } from '../../model/plan.ts';
import type { Client } from '../../client/connect.ts';
import { printCalls } from '../print/calls.ts';
import { printAllRules, printPlan, printPlans, printPreview } from '../print/plans.ts';
import type { Run } from '../run.ts';
import { answer, type Answer, type Verb, type Words } from '../verb.ts';
import { aboutAlarm, callNamed, callOption, personsActions } from './alarm-verbs.ts';
import { collect, limitOf, limitOption } from './paging.ts';
import { scopesNamed } from './service-verbs.ts';

export const planVerbs: readonly Verb[] = [
  {
    words: 'rules [scope]',
    says: 'List what each service answers to which deviation',
    group: 'Answer',
    async run(run, words) {
      return answer(await run.ask((manager) => scopesNamed(manager, words.maybe('scope'))), printAllRules);
    },
  },
  {
    words: 'plan <alarm> [action]',
    says: 'Show what the rules, or one action, would do about an alarm now, and why; changes nothing',
    group: 'Answer',
    choices: { action: personsActions },
    options: [callOption],
    async run(run, words) {
      const action = words.choice('action', personsActions);
      const how = { ...(action === undefined ? {} : { action }), ...callNamed(words) };
      return answer(
        await aboutAlarm(run, words, (manager, alarm) => manager.previewPlan({ alarm, ...how })),
        printPreview,
      );
    },
  },
  {
    words: 'calls',
    says: 'List what rules and people may have called outside, and whether it could be called now',
    group: 'Answer',
    async run(run) {
      return answer(await run.ask((manager) => manager.listCalls()), printCalls);
    },
  },
  {
    words: 'plans',
    says: 'List plans with how far each has come; those that wait for a person say until when',
    group: 'Answer',
    options: [
      { flags: '--vm <vm>', says: 'of one VM' },
      { flags: '--status <status>', says: 'all when left out', choices: planStates },
      limitOption,
    ],
    async run(run, words) {
      const limit = limitOf(words);
      if (!limit.ok) return limit;
      const vm = words.maybe('vm');
      const state = words.choice('status', planStates);
      const filter = { ...(vm === undefined ? {} : { vm }), ...(state === undefined ? {} : { state }) };
      const listed = await run.ask((manager) =>
        collect(limit.value, async (page) => await manager.listPlans({ ...filter, ...page })),
      );
      return answer(listed, printPlans);
    },
  },
  {
    words: 'approve <plan>',
    says: 'Agree to a plan that waits; its steps begin at once',
    group: 'Answer',
    run: async (run, words) => await aboutPlan(run, words, 'plan', (manager, plan) => manager.approvePlan({ plan })),
  },
  {
    words: 'deny <plan>',
    says: 'Refuse a plan that waits; nothing of it is done',
    group: 'Answer',
    run: async (run, words) => await aboutPlan(run, words, 'plan', (manager, plan) => manager.denyPlan({ plan })),
  },
  {
    words: 'undo <answer>',
    says: 'Take back a plan, in reverse order, or one remediation',
    group: 'Answer',
    run: async (run, words) => await aboutPlan(run, words, 'answer', (manager, id) => manager.undo({ answer: id })),
  },
];

type PlanQuestion = (manager: Client, id: string) => Promise<Result<PlanRun>>;

/** About the plan, or for `answer` also the remediation, that a person named by its id or the beginning of it. */
async function aboutPlan(
  run: Run,
  words: Words,
  argument: 'plan' | 'answer',
  question: PlanQuestion,
): Promise<Result<Answer>> {
  const told = await run.ask(async (manager) => {
    const named = words.text(argument);
    const ids = await idsFrom(manager, named, argument);
    if (!ids.ok) return ids;
    const [first, ...more] = ids.value;
    if (more.length === 0) return await question(manager, first ?? named);
    return fail(problem('usage', `${ids.value.length} ids begin with ${named}.`, 'Write more of the id.'));
  });
  return answer(told, printPlan);
}

const searched = 5000;

async function idsFrom(manager: Client, named: string, of: 'plan' | 'answer'): Promise<Result<readonly string[]>> {
  const plans = await collect(searched, async (page) => await manager.listPlans(page));
  if (!plans.ok) return plans;
  const ids = plans.value.items.map(({ plan }) => plan.id);
  if (of === 'answer' && !ids.some((id) => id.startsWith(named))) {
    const remediations = await collect(searched, async (page) => await manager.listRemediations(page));
    if (!remediations.ok) return remediations;
    ids.push(...remediations.value.items.map(({ id }) => id));
  }
  return ok(ids.includes(named) ? [named] : ids.filter((id) => id.startsWith(named)));
}
