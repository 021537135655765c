// The plans a service's rules make of a finding or of tampering: one that is carried out at once, one that waits for a person,
// one that is only shown. A sentinel holds the automatic rules alone, so what it does at once must not depend on the others.
import type { Finding, Severity } from '../../model/finding.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import { plannedActions } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import { actionTraits } from './action-traits.data.ts';
import { type Ground, makePlan, type PlanCause, type Proposal, type Terms } from './make-plan.ts';
import { groupOfGuard, rulesFor, rulesForTampering } from './match-rules.ts';
import { seedOf, whyOf } from './steps.ts';
import { mergeWanted, type Wanted } from './wanted.ts';

const deadlineMinutesDefault = 60;
const attemptsMax = 3;
const attemptsMaxTelling = 8;

export function causeOfFinding(finding: Finding, alarm: string | null): PlanCause {
  const { deviation, group } = finding;
  return {
    vm: deviation.vm,
    alarm,
    group,
    atMs: Date.parse(deviation.at),
    seed: alarm === null ? seedOf(finding) : `${seedOf(finding)} ${alarm}`,
    why: whyOf(finding),
    activity: deviation.activity,
    by: 'rules',
    origin: 'rule',
  };
}

/** `severity` as its alarm has it. */
export function causeOfTampering(event: GuardEvent, severity: Severity, alarm: string | null): PlanCause {
  const group = groupOfGuard(event);
  return {
    vm: event.vm,
    alarm,
    group,
    atMs: Date.parse(event.at),
    seed: alarm === null ? group : `${group} ${alarm}`,
    why: `${severity} tampering, ${event.what}: ${event.detail}`,
    activity: null,
    by: 'rules',
    origin: 'rule',
  };
}

/** The rules that speak about a finding, whatever they ask for. */
export function plansForFinding(finding: Finding, rules: readonly Rule[], by: RulePlanning): readonly Proposal[] {
  return plansByRules(causeOfFinding(finding, by.alarm), rulesFor(finding, rules), by);
}

export function plansForTampering(
  event: GuardEvent,
  severity: Severity,
  rules: readonly Rule[],
  by: RulePlanning,
): readonly Proposal[] {
  return plansByRules(causeOfTampering(event, severity, by.alarm), rulesForTampering(event, severity, rules), by);
}

/** Only the calls of what rules answer at once: a sentinel that acts alone makes none, so that the manager does. One plan for an alarm. */
export function callsForFinding(finding: Finding, rules: readonly Rule[], by: RulePlanning): readonly Proposal[] {
  return plansByRules(toldOnce(causeOfFinding(finding, by.alarm)), rulesFor(finding, rules).map(callsOnly), by);
}

export function callsForTampering(
  event: GuardEvent,
  severity: Severity,
  rules: readonly Rule[],
  by: RulePlanning,
): readonly Proposal[] {
  const cause = toldOnce(causeOfTampering(event, severity, by.alarm));
  return plansByRules(cause, rulesForTampering(event, severity, rules).map(callsOnly), by);
}

function callsOnly(rule: Rule): Rule {
  return { ...rule, action: 'alert', also: [] };
}

/** A manifest that was issued meanwhile makes no new alarm. */
function toldOnce(cause: PlanCause): PlanCause {
  return { ...cause, seed: `calls ${cause.group} ${cause.alarm}` };
}

export interface RulePlanning {
  /** The alarm it belongs to, where it is known: another alarm of the same kind is asked about anew. */
  readonly alarm: string | null;
  readonly ground: Ground;
  readonly nowMs: number;
  /** Which plans are wanted: those carried out at once, or those that wait. What is only shown belongs to its own. */
  readonly consent: Rule['approval'];
}

function plansByRules(cause: PlanCause, matching: readonly Rule[], by: RulePlanning): readonly Proposal[] {
  const proposals: Proposal[] = [];
  for (const dryRun of [false, true]) {
    const rules = matching.filter((rule) => (rule.dryRun ?? false) === dryRun);
    const wanted = wantedBy(rules, cause.atMs).filter((one) => one.consent === by.consent);
    if (wanted.length === 0) continue;
    const terms = termsOf(rules, by.consent, dryRun);
    const make = (part: readonly Wanted[]) => makePlan(cause, part, by.ground, terms, by.nowMs);
    const whole = make(wanted);
    const gentle = wanted.filter(({ action }) => !actionTraits[action].disruptive);
    const isHeldBack = (whole.plan?.objections.length ?? 0) > 0 && gentle.length > 0 && gentle.length < wanted.length;
    // What holds back an isolation or a stop holds back no evidence.
    if (isHeldBack) proposals.push(make(gentle), make(wanted.filter((one) => !gentle.includes(one))));
    else proposals.push(whole);
  }
  return proposals;
}

/** For each thing the one wish that holds; an automatic rule beats one that asks. */
function wantedBy(rules: readonly Rule[], atMs: number): readonly Wanted[] {
  return rules.reduce<readonly Wanted[]>((all, rule) => mergeWanted(all, wishesOf(rule, atMs)), []);
}

function wishesOf(rule: Rule, atMs: number): readonly Wanted[] {
  const rest = {
    by: 'rule',
    atMs,
    consent: rule.approval,
    expiresMinutes: rule.expiresMinutes ?? null,
    evidence: rule.evidence ?? 'first',
  } as const;
  const acts = [rule.action, ...(rule.also ?? [])].flatMap((asked): readonly Wanted[] => {
    const action = plannedActions.find((it) => it === asked);
    return action === undefined ? [] : [{ ...rest, action }];
  });
  return [...acts, ...(rule.calls ?? []).map((call): Wanted => ({ ...rest, action: 'call', call }))];
}

/** What only tells keeps trying for some minutes: a receiver that is restarted is no reason to lose a ticket. */
function attemptsMaxOf(rules: readonly Rule[]): number {
  const acts = rules.flatMap((rule) => [rule.action, ...(rule.also ?? [])]).filter((action) => action !== 'alert');
  return acts.length === 0 ? attemptsMaxTelling : attemptsMax;
}

/** The shortest deadline; silence counts as consent only where every rule says so. */
function termsOf(rules: readonly Rule[], consent: Rule['approval'], dryRun: boolean): Terms {
  const asking = rules.filter((rule) => rule.approval === consent);
  return {
    consent,
    dryRun,
    attemptsMax: attemptsMaxOf(asking),
    deadlineMinutes: Math.min(...asking.map((rule) => rule.deadlineMinutes ?? deadlineMinutesDefault)),
    unanswered: asking.every((rule) => rule.unanswered === 'approve') ? 'approve' : 'deny',
  };
}
