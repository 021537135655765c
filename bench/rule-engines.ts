// Engines that users would otherwise write their rules for, each asked whether any of the same rules holds. A rule names one behaviour:
// every fact it knows must be equal.
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { parse } from '@marcbachmann/cel-js';
import jsonLogic from 'json-logic-js';
import { Engine } from 'json-rules-engine';

/** What an engine is told of an event, already parsed; a fact that does not apply is empty. */
export type Facts = Readonly<
  Record<'kind' | 'exe' | 'user' | 'parent' | 'cmdline' | 'proto' | 'remote' | 'port', string>
>;

export interface RuleEngine {
  readonly name: 'cel' | 'cedar' | 'jsonLogic' | 'jsonRulesEngine';
  readonly holds: (facts: Facts) => boolean | Promise<boolean>;
}

export function ruleEngines(rules: readonly Facts[]): readonly RuleEngine[] {
  return [cel(rules), cedarPolicies(rules), logic(rules), rulesEngine(rules)];
}

function equalities(rule: Facts): readonly (readonly [string, string])[] {
  return Object.entries(rule).filter(([, value]) => value !== '');
}

function cel(rules: readonly Facts[]): RuleEngine {
  const expressions = rules.map((rule) =>
    parse(
      equalities(rule)
        .map(([fact, value]) => `${fact} == ${JSON.stringify(value)}`)
        .join(' && '),
    ),
  );
  return { name: 'cel', holds: (facts) => expressions.some((expression) => expression({ ...facts }) === true) };
}

function cedarPolicies(rules: readonly Facts[]): RuleEngine {
  const policies = rules.map((rule) => {
    const conditions = equalities(rule).map(([fact, value]) => `context.${fact} == ${JSON.stringify(value)}`);
    return `permit(principal, action, resource) when { ${conditions.join(' && ')} };`;
  });
  const id = 'bench';
  const prepared = cedar.preparsePolicySet(id, { staticPolicies: policies.join('\n') });
  if (prepared.type === 'failure') throw new Error(prepared.errors[0]?.message);
  const one = { type: 'One', id: 'one' };
  const ask = { principal: one, action: one, resource: one, preparsedPolicySetId: id, entities: [] };
  return {
    name: 'cedar',
    holds: (facts) => {
      const answer = cedar.statefulIsAuthorized({ ...ask, context: { ...facts } });
      return answer.type === 'success' && answer.response.decision === 'allow';
    },
  };
}

function logic(rules: readonly Facts[]): RuleEngine {
  const any = {
    or: rules.map((rule) => ({ and: equalities(rule).map(([fact, value]) => ({ '===': [{ var: fact }, value] })) })),
  };
  return { name: 'jsonLogic', holds: (facts) => jsonLogic.apply(any as never, facts) === true };
}

function rulesEngine(rules: readonly Facts[]): RuleEngine {
  const engine = new Engine();
  for (const rule of rules) {
    const all = equalities(rule).map(([fact, value]) => ({ fact, operator: 'equal', value }));
    engine.addRule({ conditions: { all }, event: { type: 'allowed' } });
  }
  return { name: 'jsonRulesEngine', holds: async (facts) => (await engine.run({ ...facts })).events.length > 0 };
}
