// What a service answers to which deviation, and whether a person is asked first.
import { Type, type Static } from 'typebox';
import { DeviationKind } from './deviation.ts';
import { Severity } from './finding.ts';
import { Action } from './remediation.ts';

export const Rule = Type.Object({
  on: Type.Union([DeviationKind, Type.Literal('any')]),
  minSeverity: Severity,
  action: Action,
  /** automatic = done at once, by the sentinel alone if the manager is away; approval = waits for a person. */
  approval: Type.Enum(['automatic', 'approval']),
});
export type Rule = Static<typeof Rule>;
