// Which rules of a service speak about a finding or a guard event, and what they ask for. The mode is the caller's to honour:
// only protect acts.
import { type Finding, severityOrder, type Severity } from '../../model/finding.ts';
import { type GuardEvent, isTampering } from '../../model/guard-event.ts';
import type { InlineAction } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import { digest } from '../../pattern/digest.ts';

/** What is sure comes before what waits for somebody, while the VM stands still. */
const inlineOrder = ['kill', 'block', 'hold'] as const satisfies readonly InlineAction[];

/** What is answered at the attempt itself; null = it is let through. Asked while the guest stands still. */
export function answerInline(finding: Finding, rules: readonly Rule[]): InlineAction | null {
  for (const action of inlineOrder)
    if (rules.some((rule) => rule.action === action && rule.approval === 'automatic' && matches(rule, finding)))
      return action;
  return null;
}

export function rulesFor(finding: Finding, rules: readonly Rule[]): readonly Rule[] {
  return rules.filter((rule) => matches(rule, finding));
}

/** `severity` as its alarm has it. */
export function rulesForTampering(event: GuardEvent, severity: Severity, rules: readonly Rule[]): readonly Rule[] {
  if (!isTampering(event.what)) return [];
  return rules.filter((rule) => rule.on === 'tampering' && reaches(rule, severity));
}

/** Guard events of one group are one alarm. */
export function groupOfGuard({ what, subject }: Pick<GuardEvent, 'subject'> & { readonly what: string }): string {
  return subject === undefined ? `guard:${what}` : `guard:${what}:${digest(subject).slice(0, 24)}`;
}

function matches(rule: Rule, { deviation, severity }: Finding): boolean {
  if (rule.on !== 'any' && rule.on !== deviation.kind) return false;
  return reaches(rule, severity);
}

function reaches(rule: Rule, severity: Severity): boolean {
  return severityOrder.indexOf(severity) >= severityOrder.indexOf(rule.minSeverity);
}
