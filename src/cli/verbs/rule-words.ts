// A rule in four words: what it is about, how severe that must be, what is done (several actions with + between them, of which
// `call:NAME` is one), and whether a person is asked first.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { severityOrder } from '../../model/finding.ts';
import { inlineActions, networkActions, vmActions } from '../../model/remediation.ts';
import { faultOf, isInline, type Rule } from '../../model/rule.ts';

const subjects = [
  'process',
  'outbound',
  'inbound',
  'listen',
  'any',
  'tampering',
] as const satisfies readonly Rule['on'][];
const outside = [...vmActions, ...networkActions] as const;
const actions = [...outside, ...inlineActions] as const satisfies readonly Rule['action'][];
const approvals = ['automatic', 'approval'] as const satisfies readonly Rule['approval'][];

export function parseRules(texts: readonly string[]): Result<readonly Rule[]> {
  const rules: Rule[] = [];
  for (const text of texts) {
    const rule = parseRule(text);
    if (!rule.ok) return rule;
    rules.push(rule.value);
  }
  return ok(rules);
}

/** Without a word on approval a person is asked: the careful way is the short one. What acts inline can ask nobody. */
function parseRule(text: string): Result<Rule> {
  const [about, severity, answer, given, ...rest] = text.split(',').map((part) => part.trim());
  const on = subjects.find((word) => word === about);
  const minSeverity = severityOrder.find((word) => word === severity);
  const [first, ...others] = (answer ?? '').split('+');
  const action = actions.find((word) => word === first);
  // What is called has names of its own choice: `call:NAME`.
  const calls = others.filter((one) => one.startsWith('call:')).map((one) => one.slice('call:'.length));
  const also = others.flatMap((one) => outside.find((word) => word === one) ?? []);
  const consent = given ?? (action !== undefined && isInline(action) ? 'automatic' : 'approval');
  const approval = approvals.find((word) => word === consent);
  const isWhole = on !== undefined && minSeverity !== undefined && action !== undefined && approval !== undefined;
  if (isWhole && rest.length === 0 && also.length + calls.length === others.length) {
    const rule = {
      on,
      minSeverity,
      action,
      approval,
      ...(also.length === 0 ? {} : { also }),
      ...(calls.length === 0 ? {} : { calls }),
    };
    const fault = faultOf(rule);
    return fault === null ? ok(rule) : fail(problem('usage', `"${text}" cannot be carried out: ${fault}.`));
  }
  const words = [subjects, severityOrder, actions, approvals].map((choices) => choices.join('|')).join(',');
  return fail(problem('usage', `"${text}" is no rule.`, `Write one word of each, with commas between: ${words}.`));
}
