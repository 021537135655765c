// What a service answers to which deviation, and whether a person is asked first.
import { Type, type Static } from 'typebox';
import { DeviationKind } from './deviation.ts';
import { Severity } from './finding.ts';
import { Name } from './name.ts';
import { Action, InlineAction, NetworkAction, VmAction } from './remediation.ts';

/** any = any deviation from the manifest; tampering = the guest's kernel, processes or sockets are not what they say. */
export const RuleSubject = Type.Union([DeviationKind, Type.Enum(['any', 'tampering'])]);
export type RuleSubject = Static<typeof RuleSubject>;

/** What a rule may ask for. */
export const RuleAction = Type.Union([VmAction, InlineAction, NetworkAction]);
export type RuleAction = Static<typeof RuleAction>;

/**
 * What is kept before a VM is ended, where it can be: first = a snapshot; memory = its memory in a file on its host, which needs no
 * room on the VM's disk and is read by any forensic tool; none = nothing.
 */
export const Evidence = Type.Enum(['first', 'memory', 'none']);
export type Evidence = Static<typeof Evidence>;

export const Rule = Type.Object({
  on: RuleSubject,
  minSeverity: Severity,
  action: RuleAction,
  /** automatic = done at once, by the sentinel alone if the manager is away; approval = waits for a person. */
  approval: Type.Enum(['automatic', 'approval']),
  /** What belongs to the same answer. Whatever stands here, a plan isolates first, then collects evidence, then stops. */
  also: Type.Optional(Type.Array(Type.Union([VmAction, NetworkAction]), { maxItems: 8 })),
  /** Which of the manager's configured calls are made as well. The manager makes them, also where a sentinel acts alone. */
  calls: Type.Optional(Type.Array(Name, { maxItems: 8 })),
  /** How long a person is waited for; 60 unless given. */
  deadlineMinutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_080 })),
  /** What counts as the answer when nobody gave one in time; deny unless given. */
  unanswered: Type.Optional(Type.Enum(['deny', 'approve'])),
  /** After so long it is undone by itself. A blocked flow always expires, after an hour unless given. */
  expiresMinutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 43_200 })),
  evidence: Type.Optional(Evidence),
  /** Planned, recorded and shown, and not done. */
  dryRun: Type.Optional(Type.Boolean()),
});
export type Rule = Static<typeof Rule>;

export function isInline(action: Action): action is InlineAction {
  return action === 'block' || action === 'kill' || action === 'hold';
}

/** Why a rule could never be carried out; null when it can. */
export function faultOf(rule: Rule): string | null {
  return waitingFault(rule) ?? expiryFault(rule) ?? personsFault(rule) ?? inlineFault(rule);
}

function waitingFault({ approval, deadlineMinutes, unanswered }: Rule): string | null {
  if (approval === 'approval' || (deadlineMinutes === undefined && unanswered === undefined)) return null;
  return 'an automatic answer waits for nobody; leave deadlineMinutes and unanswered out, or ask for approval';
}

/** The sentinel answers alone and keeps no clock for taking it back; a blocked flow ends in the switch. */
function expiryFault({ action, also = [], approval, expiresMinutes }: Rule): string | null {
  if (expiresMinutes === undefined || approval === 'approval') return null;
  const staying = [action, ...also].find((one) => one !== 'block-flow');
  return staying === undefined
    ? null
    : `an automatic ${staying} is not taken back by itself; leave expiresMinutes out, or ask for approval`;
}

/** Which state of a VM is still good is known to nobody before it happens. */
function personsFault({ action, also = [] }: Rule): string | null {
  const asked = [action, ...also];
  if (asked.includes('revert'))
    return 'revert goes back to a snapshot that a person names; ask for suspend, and order it by hand';
  const image = asked.find((one) => one === 're-image' || one === 'undo-re-image');
  return image === undefined
    ? null
    : `${image} takes the VM's disk away from it, which only a person orders; ask for suspend, and order it by hand`;
}

function inlineFault({ on, action, approval, dryRun }: Rule): string | null {
  if (!isInline(action)) return null;
  if (approval !== 'automatic')
    return `${action} answers at the attempt itself and cannot wait for consent; make it automatic${action === 'hold' ? '' : ', or use hold'}`;
  if (on === 'inbound') return `${action} cannot answer inbound connections: the guest's kernel has made them already`;
  if (on === 'tampering') return `${action} cannot answer tampering, which is found when it has happened`;
  return dryRun === true ? `${action} cannot be tried without doing it; let the scope stay in detect` : null;
}
