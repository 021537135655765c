// What a service answers to which deviation, and whether a person is asked first.
import { Type, type Static } from 'typebox';
import { DeviationKind } from './deviation.ts';
import { Severity } from './finding.ts';
import { Action, InlineAction, VmAction } from './remediation.ts';

/** any = any deviation from the manifest; tampering = the guest's kernel, processes or sockets are not what they say. */
export const RuleSubject = Type.Union([DeviationKind, Type.Enum(['any', 'tampering'])]);
export type RuleSubject = Static<typeof RuleSubject>;

/** What a rule may ask for. */
export const RuleAction = Type.Union([VmAction, InlineAction]);
export type RuleAction = Static<typeof RuleAction>;

export const Rule = Type.Object({
  on: RuleSubject,
  minSeverity: Severity,
  action: RuleAction,
  /** automatic = done at once, by the sentinel alone if the manager is away; approval = waits for a person. */
  approval: Type.Enum(['automatic', 'approval']),
});
export type Rule = Static<typeof Rule>;

export function isInline(action: Action): action is InlineAction {
  return action === 'block' || action === 'kill' || action === 'hold';
}

/** Why a rule could never be carried out; null when it can. */
export function faultOf({ on, action, approval }: Rule): string | null {
  if (!isInline(action)) return null;
  if (approval !== 'automatic')
    return `${action} answers at the attempt itself and cannot wait for consent; make it automatic${action === 'hold' ? '' : ', or use hold'}`;
  if (on === 'inbound') return `${action} cannot answer inbound connections: the guest's kernel has made them already`;
  if (on === 'tampering') return `${action} cannot answer tampering, which is found when it has happened`;
  return null;
}
