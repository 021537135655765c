// From a finding and a service's rules to steps: what is to be done to the VM, with nothing left to choose for whoever does it.
// Steps are made from their cause alone, so the same cause gives the same step, and carrying it out twice can be noticed.
import type { Finding } from '../../model/finding.ts';
import { severityOrder, type Severity } from '../../model/finding.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import { isTampering } from '../../model/guard-event.ts';
import type { Action, HeldAnswer, InlineAction, Step, VmAction } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import { digest } from '../../pattern/digest.ts';

/** What keeps evidence comes before what stops it, and what cannot be undone comes last. */
const actionOrder = ['alert', 'snapshot', 'suspend', 'resume', 'power-off'] as const satisfies readonly VmAction[];
/** What is sure comes before what waits for somebody, while the VM stands still. */
const inlineOrder = ['kill', 'block', 'hold'] as const satisfies readonly InlineAction[];

/**
 * Steps to carry out at once: for each action at most one. A sentinel holds only the automatic rules, so what it does alone and
 * what the manager expects of it must not depend on the others. The mode is the caller's to honour: only protect acts.
 */
export function respond(finding: Finding, rules: readonly Rule[]): readonly Step[] {
  return decide(finding, rules)
    .filter((rule) => rule.approval === 'automatic')
    .map((rule) => stepBy(rule, finding));
}

/** What was answered inside the guest, as a step: the same cause gives the same step. */
export function inlineStep(action: InlineAction, finding: Finding): Step {
  return stepBy({ action }, finding);
}

/** The steps that wait for a person to agree, because no automatic rule answers the finding in this way. */
export function propose(finding: Finding, rules: readonly Rule[]): readonly Step[] {
  return decide(finding, rules)
    .filter((rule) => rule.approval === 'approval')
    .map((rule) => stepBy(rule, finding));
}

/** What is answered at the attempt itself; null = it is let through. Asked while the guest stands still. */
export function answerInline(finding: Finding, rules: readonly Rule[]): InlineAction | null {
  for (const action of inlineOrder)
    if (rules.some((rule) => rule.action === action && rule.approval === 'automatic' && matches(rule, finding)))
      return action;
  return null;
}

/** Steps because the guest was tampered with, at once or after approval; `severity` as its alarm has it. */
export function respondToTampering(
  event: GuardEvent,
  severity: Severity,
  rules: readonly Rule[],
  approval: Rule['approval'],
): readonly Step[] {
  if (!isTampering(event.what)) return [];
  const matching = rules.filter(
    (rule) => rule.on === 'tampering' && rule.action !== 'alert' && reaches(rule, severity),
  );
  const why = `${severity} tampering, ${event.what}: ${event.detail}`;
  return perAction(matching)
    .filter((rule) => rule.approval === approval)
    .map((rule) => stepFor(rule.action, event.vm, why, groupOfGuard(event)));
}

/** Guard events of one group are one alarm. */
export function groupOfGuard({ what, subject }: Pick<GuardEvent, 'subject'> & { readonly what: string }): string {
  return subject === undefined ? `guard:${what}` : `guard:${what}:${digest(subject).slice(0, 24)}`;
}

/** The rule that decides about each action, in the order in which actions are taken. */
function decide(finding: Finding, rules: readonly Rule[]): readonly Rule[] {
  return perAction(rules.filter((rule) => rule.action !== 'alert' && matches(rule, finding)));
}

function perAction(matching: readonly Rule[]): readonly Rule[] {
  return actionOrder
    .map((action) => {
      const same = matching.filter((rule) => rule.action === action);
      return same.find((rule) => rule.approval === 'automatic') ?? same[0];
    })
    .filter((rule) => rule !== undefined);
}

function stepBy({ action }: Pick<Rule, 'action'>, { deviation, group, severity, risk, reasons }: Finding): Step {
  const worst = reasons.toSorted((a, b) => b.points - a.points)[0];
  const why = `${severity} ${deviation.kind} deviation, risk ${risk}${worst === undefined ? '' : `: ${worst.text}`}`;
  return stepFor(action, deviation.vm, why, `${group} ${deviation.generation}`);
}

function matches(rule: Rule, { deviation, severity }: Finding): boolean {
  if (rule.on !== 'any' && rule.on !== deviation.kind) return false;
  return reaches(rule, severity);
}

function reaches(rule: Rule, severity: Severity): boolean {
  return severityOrder.indexOf(severity) >= severityOrder.indexOf(rule.minSeverity);
}

const whyMax = 1000;

/** A step that answers a held attempt. */
export function releaseStep(answer: HeldAnswer, vm: string, why: string, idSeed: string): Step {
  return { ...stepFor('release', vm, why, idSeed), answer };
}

/** A step for one action; the same seed gives the same step. */
export function stepFor(action: Action, vm: string, why: string, idSeed: string): Step {
  const id = digest([vm, action, idSeed].join('\n'));
  const snapshot = action === 'snapshot' ? { snapshot: `plumbline-${id.slice(0, 12)}` } : {};
  return {
    id,
    vm,
    action,
    why: why.slice(0, whyMax).toWellFormed(),
    expect: expectation(action, snapshot.snapshot),
    undo: undoOf(action),
    ...snapshot,
  };
}

function expectation(action: Action, snapshot: string | undefined): string {
  switch (action) {
    case 'alert':
      return 'unchanged';
    case 'suspend':
      return 'paused';
    case 'resume':
      return 'running';
    case 'snapshot':
      return `snapshot ${snapshot ?? ''} exists`;
    case 'power-off':
      return 'gone';
    case 'block':
      return 'refused';
    case 'kill':
      return 'ended';
    case 'hold':
    case 'release':
      return 'decided';
  }
}

function undoOf(action: Action): Action | null {
  if (action === 'suspend') return 'resume';
  return action === 'resume' ? 'suspend' : null;
}
