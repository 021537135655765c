// Takes a plan in: stored with its audit line, and told, so that the runner takes it up. The same plan is taken in once.
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Finding, Severity } from '../../model/finding.ts';
import type { Plan, PlanRun } from '../../model/plan.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import type { Proposal } from '../../stages/respond/make-plan.ts';
import { rulesFor, rulesForTampering } from '../../stages/respond/match-rules.ts';
import {
  callsForFinding,
  callsForTampering,
  plansForFinding,
  plansForTampering,
  type RulePlanning,
} from '../../stages/respond/plan-by-rules.ts';
import { beginRun } from '../../stages/respond/plan-run.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { planRunById, savePlanRun } from '../store/plans.ts';
import { groundFor } from './ground.ts';

const deadlineMs = 60 * 60_000;

export async function adoptPlan(turn: Turn, plan: Plan): Promise<PlanRun> {
  const known = await planRunById(turn.db, plan.id);
  if (known !== null) return known;
  const run = beginRun(plan, Date.parse(turn.at));
  await savePlanRun(turn.db, run);
  await turn.record('plan.make', plan.id, `${sayPlan(plan)}; ${run.state}`);
  turn.announce({ kind: 'plan', run });
  return run;
}

/** What the rules that ask for consent make of a finding waits on its alarm; what others have called is called at once. */
export async function proposeForFinding(
  desk: Pick<Desk, 'abilities' | 'calls'>,
  turn: Turn,
  finding: Finding,
  rules: readonly Rule[],
  alarm: string,
): Promise<void> {
  const asking = rulesFor(finding, rules).filter((rule) => rule.approval === 'approval');
  if (asking.length > 0)
    await propose(desk, turn, finding.deviation.vm, alarm, 'approval', (by) => plansForFinding(finding, rules, by));
  if (rulesFor(finding, rules).some(callsAtOnce))
    await propose(desk, turn, finding.deviation.vm, alarm, 'automatic', (by) => callsForFinding(finding, rules, by));
}

/** The same for a guest that was tampered with; `severity` as its alarm has it. */
export async function proposeForTampering(
  desk: Pick<Desk, 'abilities' | 'calls'>,
  turn: Turn,
  event: GuardEvent,
  severity: Severity,
  rules: readonly Rule[],
  alarm: string,
): Promise<void> {
  const asking = rulesForTampering(event, severity, rules).filter((rule) => rule.approval === 'approval');
  if (asking.length > 0)
    await propose(desk, turn, event.vm, alarm, 'approval', (by) => plansForTampering(event, severity, rules, by));
  if (rulesForTampering(event, severity, rules).some(callsAtOnce))
    await propose(desk, turn, event.vm, alarm, 'automatic', (by) => callsForTampering(event, severity, rules, by));
}

function callsAtOnce({ approval, calls = [] }: Rule): boolean {
  return approval === 'automatic' && calls.length > 0;
}

async function propose(
  desk: Pick<Desk, 'abilities' | 'calls'>,
  turn: Turn,
  vm: string,
  alarm: string,
  consent: Rule['approval'],
  plansOf: (by: RulePlanning) => readonly Proposal[],
): Promise<void> {
  const nowMs = Date.parse(turn.at);
  const ground = { ...(await groundFor(turn.db, vm, desk.abilities.of(vm), nowMs)), calls: desk.calls.known };
  for (const { plan } of plansOf({ alarm, ground, nowMs, consent })) if (plan !== null) await adoptPlan(turn, plan);
}

/** What a sentinel did not do alone, because it would have gone too far, waits for a person here. */
export async function adoptHeldStep(turn: Turn, { step, group, evidence }: Remediation, alarm: string | null) {
  await adoptPlan(turn, {
    id: step.id,
    vm: step.vm,
    alarm,
    group,
    by: 'rules',
    origin: 'rule',
    why: step.why,
    steps: [step],
    decisions: [],
    consent: 'approval',
    objections: [evidence.slice(0, 500)],
    deadline: new Date(Date.parse(turn.at) + deadlineMs).toISOString(),
    unanswered: 'deny',
    dryRun: false,
    expiresMinutes: null,
    attemptsMax: 3,
    madeAt: turn.at,
  });
}

/** One line: what would be done to which VM, and why. */
export function sayPlan({ steps, vm, why }: Plan): string {
  return `${steps.map(({ action, call }) => (call === undefined ? action : `${action} ${call}`)).join(', ')} of ${vm}: ${why}`;
}
