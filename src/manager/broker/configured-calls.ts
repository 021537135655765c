// The configured calls as people see them, and rules held against them: a rule that names none of them is refused.
import { problem, type Problem } from '../../kit/problem.ts';
import type { ConfiguredCall } from '../../model/configured-call.ts';
import type { Declaration } from '../../model/declaration.ts';
import type { Rule } from '../../model/rule.ts';
import type { CallBook } from './call-book.ts';

export async function listCalls(calls: CallBook): Promise<ConfiguredCall[]> {
  const listed: ConfiguredCall[] = [];
  for (const { name, canEnd } of calls.known) {
    const caller = calls.caller(name);
    if (caller === null) continue;
    const obstacle = (await caller.obstacle())?.slice(0, 2000) ?? null;
    listed.push({ name, kind: caller.kind, place: caller.place, canEnd, obstacle });
  }
  return listed;
}

/** Null = every call that the rules name is configured. `where` = whose rules they are. */
export function unknownCallIn(calls: CallBook, rules: readonly Rule[], where: string): Problem | null {
  for (const [at, rule] of rules.entries()) {
    const unknown = rule.calls?.find((name) => calls.caller(name) === null);
    if (unknown === undefined) continue;
    const mend = 'Name one that is in the configuration of the manager; see `plumbline calls`.';
    return problem('usage', `Rule ${at + 1} of ${where} names the call ${unknown}, which is not configured.`, mend);
  }
  return null;
}

export function unknownCallDeclared(calls: CallBook, { scopes }: Declaration): Problem | null {
  for (const scope of scopes)
    for (const { name, rules = [] } of scope.services ?? []) {
      const unknown = unknownCallIn(calls, rules, `${scope.name}/${name}`);
      if (unknown !== null) return unknown;
    }
  return null;
}
