// A deviation with its risk and the reasons of the score, each with its points.
import { Type, type Static } from 'typebox';
import { Deviation } from './deviation.ts';

export const Severity = Type.Enum(['info', 'minor', 'serious', 'critical']);
export type Severity = Static<typeof Severity>;

/** Lowest first; an order for comparing severities. */
export const severityOrder = ['info', 'minor', 'serious', 'critical'] as const satisfies readonly Severity[];

export const Reason = Type.Object({
  factor: Type.String({ description: 'stable word: new-executable, shell-from-server, temporary-path ...' }),
  points: Type.Number(),
  text: Type.String({ description: 'one clause a person reads' }),
});
export type Reason = Static<typeof Reason>;

export const Finding = Type.Object({
  deviation: Deviation,
  /** 0 to 100: the sum of the reasons' points, clipped. */
  risk: Type.Number({ minimum: 0, maximum: 100 }),
  severity: Severity,
  reasons: Type.Array(Reason),
  /** Findings with the same key on the same VM are one alarm. */
  group: Type.String({ maxLength: 64 }),
});
export type Finding = Static<typeof Finding>;
