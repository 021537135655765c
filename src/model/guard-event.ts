// Something about Plumbline's own trust, or about the guest's: it becomes a guard alarm, which no manifest can allow.
import { Type, type Static } from 'typebox';
import { IsoTime, VmId } from './name.ts';

const tamperings = [
  'kernel-tampered',
  'module-hidden',
  'process-hidden',
  'process-tampered',
  'credentials-changed',
  'executable-changed',
  'hidden-flow',
  'hidden-listener',
] as const;

/** The guest is not what it says it is; a rule on `tampering` answers these. */
export const Tampering = Type.Enum([...tamperings]);
export type Tampering = Static<typeof Tampering>;

export const GuardKind = Type.Union([
  Type.Enum([
    'manifest-tampered',
    'manifest-rolled-back',
    'manifest-missing',
    'lost-sight',
    'identity-doubled',
    'guest-went-back',
    'trace-lost',
    'refusal-failed',
  ]),
  Tampering,
]);
export type GuardKind = Static<typeof GuardKind>;

export const GuardEvent = Type.Object({
  vm: VmId,
  at: IsoTime,
  what: GuardKind,
  /** What of its kind it is about (a symbol, a process, a peer): two subjects are two alarms. Absent = one of the kind. */
  subject: Type.Optional(Type.String({ maxLength: 256 })),
  detail: Type.String({ maxLength: 2000 }),
});
export type GuardEvent = Static<typeof GuardEvent>;

export function isTampering(what: GuardKind): what is Tampering {
  return tamperings.some((known) => known === what);
}
