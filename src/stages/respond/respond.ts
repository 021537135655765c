// From a finding and a service's rules to plans: what is to be done to the VM, with nothing left to choose for whoever does it.
// Plans are made from their cause alone, so the same cause gives the same plan, and carrying it out twice can be noticed.
import type { Finding } from '../../model/finding.ts';
import { severityOrder } from '../../model/finding.ts';
import type { Action, Plan } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import { digest } from '../../pattern/digest.ts';

/** What keeps evidence comes before what stops it, and what cannot be undone comes last. */
const actionOrder = ['alert', 'snapshot', 'suspend', 'resume', 'power-off'] as const satisfies readonly Action[];

/**
 * Plans to carry out at once. For each action the first rule that matches decides: where that rule asks for approval, the
 * action is not planned even if a later rule would. The mode is the caller's to honour: only protect acts.
 */
export function respond(finding: Finding, rules: readonly Rule[]): readonly Plan[] {
  return plansFor(finding, rules, 'automatic');
}

/** The plans that wait for a person to agree. */
export function propose(finding: Finding, rules: readonly Rule[]): readonly Plan[] {
  return plansFor(finding, rules, 'approval');
}

function plansFor(finding: Finding, rules: readonly Rule[], approval: Rule['approval']): readonly Plan[] {
  const { deviation, group, severity, risk, reasons } = finding;
  const matching = rules.filter((rule) => matches(rule, finding));
  const decided = actionOrder
    .map((action) => matching.find((rule) => rule.action === action))
    .filter((rule) => rule !== undefined);
  const worst = reasons.toSorted((a, b) => b.points - a.points)[0];
  return decided
    .filter((rule) => rule.approval === approval && rule.action !== 'alert')
    .map((rule) =>
      planFor(
        rule.action,
        deviation.vm,
        `${severity} ${deviation.kind} deviation, risk ${risk}${worst === undefined ? '' : `: ${worst.text}`}`,
        `${group} ${deviation.generation}`,
      ),
    );
}

function matches(rule: Rule, { deviation, severity }: Finding): boolean {
  if (rule.on !== 'any' && rule.on !== deviation.kind) return false;
  return severityOrder.indexOf(severity) >= severityOrder.indexOf(rule.minSeverity);
}

const whyMax = 1000;

/** A plan for one action; the same seed gives the same plan. */
export function planFor(action: Action, vm: string, why: string, idSeed: string): Plan {
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
  }
}

function undoOf(action: Action): Action | null {
  switch (action) {
    case 'suspend':
      return 'resume';
    case 'resume':
      return 'suspend';
    case 'alert':
    case 'snapshot':
    case 'power-off':
      return null;
  }
}
