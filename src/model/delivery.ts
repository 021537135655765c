// How far a manifest has come on its way from the manager to the sentinel beside the VM.
import { Type, type Static } from 'typebox';
import { Mode } from './application.ts';
import { IsoTime, VmId } from './name.ts';

/** installed = the sentinel confirmed this very generation; waiting = no sentinel has taken it yet, `why` says so. */
export const DeliveryState = Type.Enum(['waiting', 'installed']);
export type DeliveryState = Static<typeof DeliveryState>;

export const Delivery = Type.Object({
  vm: VmId,
  kind: Type.Enum(['manifest', 'withdrawal']),
  mode: Type.Union([Mode, Type.Null()]),
  /** The generation that should be in force. */
  generation: Type.Integer({ minimum: 1 }),
  /** The generation the sentinel last confirmed; null = none yet. */
  installed: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  state: DeliveryState,
  why: Type.Union([Type.String({ maxLength: 2000 }), Type.Null()]),
  attempts: Type.Integer({ minimum: 0 }),
  issuedAt: IsoTime,
});
export type Delivery = Static<typeof Delivery>;
