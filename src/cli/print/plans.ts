// Plans as people read them: what would be or was done, in which order, and why this and not something else.
import type { Scope } from '../../model/application.ts';
import type { Decision, Plan, PlanPreview, PlanRun, PlanState, StepState } from '../../model/plan.ts';
import type { Page, Style } from './page.ts';
import { idColumns, sayRest, type Paged } from './records.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { sayRule, sayShortTime, sayTime } from './words.ts';

export function printPlans(list: Paged<PlanRun>, page: Page): string {
  if (list.items.length === 0) return 'No plans.';
  const columns: readonly Column<PlanRun>[] = [
    { title: 'PLAN', cell: ({ plan }) => plan.id.slice(0, idColumns) },
    { title: 'MADE (UTC)', cell: ({ plan }) => sayShortTime(plan.madeAt) },
    { title: 'VM', cell: ({ plan }) => plan.vm, gives: true },
    { title: 'STEPS', cell: ({ plan }) => plan.steps.map(sayStep).join(', '), gives: true },
    { title: 'STATE', cell: ({ state }) => state, style: ({ state }) => planStyle(state) },
    {
      title: 'UNTIL (UTC)',
      cell: (run) => sayShortTime(run.state === 'waiting-approval' ? run.plan.deadline : run.expiresAt),
    },
    { title: 'WHY', cell: ({ plan }) => plan.why, gives: true },
  ];
  return table(columns, list.items, page) + sayRest(list);
}

export function printPlan(run: PlanRun, page: Page): string {
  const { plan, state, steps, decidedBy, undoneBy, expiresAt, note } = run;
  const said = [
    ...(decidedBy === null ? [] : [`decided by ${visible(decidedBy)}`]),
    ...(undoneBy === null ? [] : [`taken back by ${visible(undoneBy)}`]),
    ...(expiresAt === null ? [] : [`undone at ${sayTime(expiresAt)}`]),
    ...(note === '' ? [] : [visible(note)]),
  ];
  const stated = page.paint(planStyle(state), state);
  return [
    `plan     ${plan.id}`,
    `vm       ${visible(plan.vm)}`,
    `why      ${visible(plan.why)}`,
    `state    ${stated}${said.length === 0 ? '' : `: ${said.join('; ')}`}`,
    ...(state === 'waiting-approval' ? waiting(plan) : []),
    'steps',
    ...plan.steps.map((step, index) => {
      const one = steps[index];
      const evidence = one === undefined || one.evidence === '' ? '' : `: ${visible(one.evidence)}`;
      return `  ${index + 1}. ${sayStep(step)} ${page.paint(stepStyle(one?.state ?? 'waiting'), one?.state ?? 'waiting')}${evidence}`;
    }),
    ...reasons(plan.decisions),
  ].join('\n');
}

export function printPreview({ proposals }: PlanPreview): string {
  if (proposals.length === 0) return 'No rule answers this; nothing would be done.';
  return proposals
    .map(({ plan, decisions }) =>
      [
        ...(plan === null ? ['Nothing would be done.'] : foreseen(plan)),
        ...reasons(decisions),
        ...(plan === null ? [] : ['Nothing was changed.']),
      ].join('\n'),
    )
    .join('\n\n');
}

function foreseen(plan: Plan): string[] {
  const how = plan.dryRun
    ? 'shown only, as a dry run'
    : plan.consent === 'automatic'
      ? 'at once'
      : 'after a person agreed';
  return [
    `Would be done, ${how}:`,
    ...plan.steps.map((step, index) => {
      const { expect, undo } = step;
      const back = undo === null ? 'cannot be taken back' : `taken back by ${undo}`;
      return `  ${index + 1}. ${sayStep(step)}: read back "${visible(expect)}"; ${back}`;
    }),
    ...(plan.consent === 'approval' ? waiting(plan) : []),
    ...(plan.expiresMinutes === null ? [] : [`undone after ${plan.expiresMinutes} minutes`]),
  ];
}

/** What is called has a name of its own. */
function sayStep({ action, call }: Plan['steps'][number]): string {
  return call === undefined ? action : `${action} ${call}`;
}

function waiting({ objections, deadline, unanswered, id }: Plan): string[] {
  return [
    ...objections.map((objection) => `held     ${visible(objection)}`),
    `waits    until ${sayTime(deadline)}, then ${unanswered === 'approve' ? 'it is done' : 'it is dropped'}: plumbline approve|deny ${id.slice(0, idColumns)}`,
  ];
}

function reasons(decisions: readonly Decision[]): string[] {
  if (decisions.length === 0) return [];
  return ['reasons', ...decisions.map(({ action, verdict, why }) => `  ${action} ${verdict}: ${visible(why)}`)];
}

/** The rules of every service, or of one scope's. */
export function printAllRules(scopes: readonly Scope[]): string {
  const lines = scopes.flatMap(({ name, mode, services }) =>
    services.flatMap((service) => [
      `${name}/${service.name} (${mode})`,
      ...(service.rules.length === 0 ? ['  no rules: deviations raise alarms only'] : []),
      ...service.rules.map((rule) => `  ${sayRule(rule)}`),
    ]),
  );
  return lines.length === 0 ? 'No services.' : lines.join('\n');
}

function planStyle(state: PlanState): Style | null {
  switch (state) {
    case 'done':
    case 'undone':
      return 'good';
    case 'failed':
      return 'bad';
    case 'unconfirmed':
    case 'waiting-approval':
      return 'warn';
    case 'denied':
    case 'expired':
    case 'dry-run':
      return 'quiet';
    case 'executing':
    case 'undoing':
      return null;
  }
}

function stepStyle(state: StepState): Style | null {
  if (state === 'done' || state === 'undone') return 'good';
  if (state === 'failed' || state === 'left') return 'bad';
  return state === 'unconfirmed' || state === 'kept' ? 'warn' : null;
}
